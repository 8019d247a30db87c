//! Fair between keys: weighted deficit round robin.

use std::collections::BTreeMap;

use super::*;

fn fair(shares: &[(&str, f64)], places: u32) -> OnClock<Bulkhead> {
    let shares = shares.iter().map(|(key, share)| ((*key).to_owned(), *share)).collect();
    let bulkhead = with(Options { order: Some("fair".into()), shares, ..room(1, places) });
    assert!(bulkhead.enters(HERE));
    bulkhead
}

fn of(key: &str) -> Wanted<'_> {
    Wanted { key: key.as_bytes(), ..wanted() }
}

/// The keys of those who are served, one after another.
fn served(bulkhead: &Bulkhead, whose: &BTreeMap<Ticket, &'static str>) -> Vec<&'static str> {
    std::iter::from_fn(|| bulkhead.leaves(HERE)).map(|ticket| whose[&ticket]).collect()
}

fn line(bulkhead: &Bulkhead, keys: &[&'static str]) -> BTreeMap<Ticket, &'static str> {
    keys.iter().map(|key| (bulkhead.queue(HERE, of(key)).0, *key)).collect()
}

#[test]
fn keys_take_turns_however_many_of_one_wait() {
    let bulkhead = fair(&[], 99);
    let whose = line(&bulkhead, &["a", "a", "a", "a", "b", "b", "c"]);
    assert_eq!(served(&bulkhead, &whose), ["a", "b", "c", "a", "b", "a", "a"]);
}

#[test]
fn a_key_is_served_in_proportion_to_its_share() {
    let bulkhead = fair(&[("gold", 3.0), ("rest", 0.5)], 999);
    let keys: Vec<_> = (0..200).flat_map(|_| ["gold", "plain", "rest"]).collect();
    let whose = line(&bulkhead, &keys);
    let first: Vec<_> = served(&bulkhead, &whose).into_iter().take(90).collect();
    let count = |key| first.iter().filter(|other| **other == key).count();
    assert_eq!([count("gold"), count("plain"), count("rest")], [60, 20, 10]);
}

#[test]
fn a_heavy_call_costs_its_key_as_many_turns() {
    let bulkhead = with(Options { order: Some("fair".into()), ..room(4, 99) });
    assert!(bulkhead.enter(HERE, 4, 5).0);
    let light: Vec<_> = (0..8).map(|_| bulkhead.queue(HERE, of("b")).0).collect();
    let heavy = |key| bulkhead.queue(HERE, Wanted { weight: 4, ..of(key) }).0;
    let [first, second] = [heavy("a"), heavy("a")];
    let mut order = Vec::new();
    let mut running = vec![4];
    while let Some(weight) = running.pop() {
        let freed = bulkhead.leave(HERE, weight);
        let offers = freed.woken.offers.iter().map(|offer| offer.ticket);
        for ticket in freed.next.map(|next| next.ticket).into_iter().chain(offers) {
            let weight = bulkhead.claim(HERE, ticket).0.unwrap_or(if ticket == first || ticket == second {
                4
            } else {
                1
            });
            order.push(ticket);
            running.push(weight);
        }
    }
    let place = |ticket| order.iter().position(|other| *other == ticket).unwrap();
    assert_eq!(order.len(), 10);
    assert!(place(light[3]) < place(first), "four of b for the one of a that weighs as much");
    assert!(place(first) < place(light[5]) && place(second) > place(light[7]), "and then they take turns");
}

#[test]
fn a_full_line_sends_the_newest_of_the_most_crowded_key_away() {
    let bulkhead = fair(&[("gold", 4.0)], 6);
    let gold: Vec<_> = (0..3).map(|_| bulkhead.queue(HERE, of("gold")).0).collect();
    let flood: Vec<_> = (0..3).map(|_| bulkhead.queue(HERE, of("flood")).0).collect();
    assert_eq!(bulkhead.wait(HERE, &of("flood")).0, Wait::Full, "its own key is the most crowded");
    let (_, woken) = bulkhead.queue(HERE, of("new"));
    assert_eq!(refused(&woken), [(flood[2], Why::Evicted)]);
    let (_, woken) = bulkhead.queue(HERE, of("gold"));
    assert_eq!(refused(&woken), [(flood[1], Why::Evicted)], "a fourth of gold is one for each share");
    assert_eq!(bulkhead.leaves(HERE), Some(gold[0]));
}

#[test]
fn heavy_calls_of_many_keys_are_served_in_their_turn() {
    // Visit by visit these would be a thousand million.
    let bulkhead = with(Options {
        order: Some("fair".into()),
        shares: vec![("poor".to_owned(), 0.001)],
        ..room(1_000_000, 9_999)
    });
    assert!(bulkhead.enter(HERE, 1_000_000, 5).0);
    let keys: Vec<_> = (0..100).map(|key| format!("key {key}")).collect();
    let mut tickets: Vec<_> =
        keys.iter().map(|key| bulkhead.queue(HERE, Wanted { weight: 1_000_000, ..of(key) }).0).collect();
    tickets.push(bulkhead.queue(HERE, Wanted { weight: 1_000_000, ..of("poor") }).0);
    let served: Vec<_> =
        std::iter::from_fn(|| bulkhead.leave(HERE, 1_000_000).next.map(|next| next.ticket)).collect();
    assert_eq!(served, tickets, "every key once, and the poorest last");
}

#[test]
fn nobody_saves_up_while_away() {
    let bulkhead = fair(&[("gold", 5.0)], 99);
    let whose = line(&bulkhead, &["gold"]);
    assert_eq!(served(&bulkhead, &whose), ["gold"]);
    assert!(bulkhead.enters(HERE));
    let whose = line(&bulkhead, &["b", "gold", "b", "gold"]);
    assert_eq!(served(&bulkhead, &whose), ["b", "gold", "gold", "b"]);
}
