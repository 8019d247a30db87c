//! Stories of the wait list.

use breakwater_core::room::{Left, Offer, Room};

const HERE: u32 = 1;
const THERE: u32 = 2;

/// Offers the head of the line the weight it waits for.
fn offer(room: &mut Room<u64>) -> Option<Offer> {
    let weight = room.head().unwrap_or(0);
    room.offer(weight, 0)
}

#[test]
fn offers_go_out_in_order_of_arrival_whatever_the_environment() {
    let mut room = Room::<u64>::default();
    let tickets = [HERE, THERE, THERE, HERE].map(|env| (env, room.enter(env, 1)));
    for (env, ticket) in tickets {
        assert_eq!(offer(&mut room), Some(Offer { env, ticket }));
    }
    assert_eq!(offer(&mut room), None);
}

#[test]
fn the_head_and_the_weight_of_the_line_follow_who_comes_and_goes() {
    let mut room = Room::<u64>::default();
    assert_eq!((room.head(), room.weight(), room.len()), (None, 0, 0));
    let first = room.enter(HERE, 5);
    let second = room.enter(THERE, 2);
    room.enter(HERE, 1);
    assert_eq!((room.head(), room.weight(), room.len()), (Some(5), 8, 3));
    assert_eq!(room.cancel(second), Some(Left::Waiting));
    assert_eq!((room.head(), room.weight(), room.len()), (Some(5), 6, 2));
    assert_eq!(offer(&mut room).map(|offer| offer.ticket), Some(first));
    assert_eq!((room.head(), room.weight(), room.len()), (Some(1), 1, 1));
}

#[test]
fn an_offer_is_settled_once_by_a_claim_or_by_a_cancel() {
    let mut room = Room::<u64>::default();
    let claimed = room.enter(HERE, 3);
    let cancelled = room.enter(HERE, 4);
    assert_eq!(room.claim(claimed), None, "nothing was offered yet");
    offer(&mut room);
    offer(&mut room);
    assert_eq!(room.claim(claimed), Some(3));
    assert_eq!(room.claim(claimed), None);
    assert_eq!(room.cancel(claimed), None);
    assert_eq!(room.cancel(cancelled), Some(Left::Offered(4)));
    assert_eq!(room.claim(cancelled), None);
    assert_eq!(room.cancel(cancelled), None);
}

#[test]
fn who_is_dismissed_has_left_with_nothing() {
    let mut room = Room::<u64>::default();
    let large = room.enter(HERE, 9);
    room.enter(THERE, 1);
    assert_eq!(room.dismiss(), Some(Offer { env: HERE, ticket: large }));
    assert_eq!(room.claim(large), None);
    assert_eq!(room.cancel(large), None);
    assert_eq!((room.head(), room.weight()), (Some(1), 1));
    assert_eq!(room.envs().collect::<Vec<_>>(), [THERE]);
}

#[test]
fn who_waits_for_too_much_is_dismissed_from_anywhere_in_the_line() {
    let mut room = Room::<u64>::default();
    let small = room.enter(HERE, 1);
    let large = room.enter(THERE, 9);
    let larger = room.enter(HERE, 10);
    let fits = room.enter(HERE, 8);
    let dismissed = room.dismiss_over(8);
    assert_eq!(dismissed, [Offer { env: THERE, ticket: large }, Offer { env: HERE, ticket: larger }]);
    assert_eq!((room.len(), room.weight()), (2, 9));
    assert_eq!(room.envs().collect::<Vec<_>>(), [HERE]);
    assert_eq!(
        [offer(&mut room), offer(&mut room)].map(|offer| offer.map(|it| it.ticket)),
        [Some(small), Some(fits)]
    );
    assert_eq!(room.cancel(large), None);
}

#[test]
fn an_environment_that_is_gone_takes_its_waiters_along_and_leaves_its_offers() {
    let mut room = Room::<u64>::default();
    let offered = room.enter(HERE, 2);
    let claimed = room.enter(HERE, 4);
    let other = room.enter(THERE, 8);
    for _ in 0..3 {
        offer(&mut room);
    }
    room.enter(HERE, 16);
    let waiting = room.enter(THERE, 32);
    assert_eq!(room.claim(claimed), Some(4));
    assert_eq!(room.env_gone(HERE), [2]);
    assert!(room.env_gone(HERE).is_empty());
    assert_eq!(room.claim(offered), None);
    assert_eq!((room.len(), room.weight()), (1, 32));
    assert_eq!(room.claim(other), Some(8));
    assert_eq!(room.cancel(waiting), Some(Left::Waiting));
    assert!(room.is_empty());
}

#[test]
fn the_environments_in_the_line_are_named_once_each() {
    let mut room = Room::<u64>::default();
    let first = room.enter(THERE, 1);
    room.enter(HERE, 1);
    room.enter(THERE, 1);
    assert_eq!(room.envs().collect::<Vec<_>>(), [HERE, THERE]);
    room.cancel(first);
    assert_eq!(room.envs().collect::<Vec<_>>(), [HERE, THERE]);
    offer(&mut room);
    assert_eq!(room.envs().collect::<Vec<_>>(), [THERE]);
}

#[test]
fn weights_that_pass_the_end_of_the_word_do_not_break_the_line() {
    let mut room = Room::<u64>::default();
    room.enter(HERE, u64::MAX);
    room.enter(HERE, 1);
    assert_eq!(room.weight(), u64::MAX);
    offer(&mut room);
    offer(&mut room);
    assert!(room.is_empty());
    assert_eq!(room.env_gone(HERE).len(), 2);
}
