//! Stories of caches and their flights, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use breakwater_core::{
    cache::{
        Cache, ENTRY_BYTES, Gone, Joined, Landed, MARKS, MAX_KEY_BYTES, Options, Outcome, Read, Reason,
        Still, Stored, TimeOptions, Token, Value, model::Standing, policy::Bounds,
    },
    encoding::Encoding,
    room::{EnvId, Ticket, Why, Woken},
};
use support::{OnClock, ms};

const HERE: EnvId = 1;
const THERE: EnvId = 2;
const ELSEWHERE: EnvId = 3;

const LEASE: f64 = 1_000.0;

fn cache(change: impl FnOnce(&mut Options)) -> OnClock<Cache> {
    let times = TimeOptions { ttl_ms: Some(100.0), lease_ms: Some(LEASE), ..TimeOptions::default() };
    let mut options = Options { max_entries: Some(10_000.0), times, ..Options::default() };
    change(&mut options);
    OnClock::new(|clock| Cache::new(&options.check().unwrap(), clock))
}

fn lead(cache: &Cache, env: EnvId) -> Token {
    match cache.join(env, b"key", false, &mut Woken::default()) {
        Some(Joined::Lead(token)) => token,
        other => panic!("{other:?}"),
    }
}

fn wait(cache: &Cache, env: EnvId) -> Ticket {
    match cache.join(env, b"key", false, &mut Woken::default()) {
        Some(Joined::Wait(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn land(cache: &Cache, env: EnvId, token: Token, value: &str) -> Landed {
    let value = Some((value.as_bytes(), Encoding::Latin1));
    cache.land(env, token, value, &Stored::default(), (true, 0, 0.5), &mut Gone::default())
}

fn set(cache: &Cache, key: &str, value: &str) -> bool {
    let value = (value.as_bytes(), Encoding::Latin1);
    cache.set(HERE, key.as_bytes(), value, &Stored::default(), 0.5, &mut Gone::default())
}

fn outcome(cache: &Cache, ticket: Ticket) -> Option<Outcome> {
    cache.outcome(ticket, &mut Value::default()).map(|(outcome, _)| outcome)
}

fn woken(woken: &Woken) -> Vec<(EnvId, Ticket)> {
    woken.offers.iter().map(|offer| (offer.env, offer.ticket)).collect()
}

fn promoted(cache: &Cache, ticket: Ticket) -> Token {
    match outcome(cache, ticket) {
        Some(Outcome::Lead(token)) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_leads_and_all_who_wait_get_what_it_comes_to() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let (second, third) = (wait(&cache, THERE), wait(&cache, HERE));
    assert_eq!(cache.figures().loading, 1);
    assert!(outcome(&cache, second).is_none());
    let landed = land(&cache, HERE, token, "value");
    assert_eq!((landed.stored, landed.barrier), (true, u64::MAX));
    assert_eq!(woken(&landed.woken), [(THERE, second), (HERE, third)]);
    for ticket in [second, third] {
        assert!(cache.has_outcome(ticket));
        assert!(
            matches!(outcome(&cache, ticket), Some(Outcome::Value(bytes, Encoding::Latin1)) if &*bytes == b"value")
        );
        assert!(outcome(&cache, ticket).is_none(), "fetched once");
    }
    assert_eq!(cache.join(THERE, b"key", false, &mut Woken::default()), None, "it is fresh by now");
    assert_eq!(cache.figures().loading, 0);
}

#[test]
fn a_leader_that_is_gone_leaves_the_flight_to_who_has_waited_longest() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let (second, third) = (wait(&cache, THERE), wait(&cache, ELSEWHERE));
    assert_eq!(woken(&cache.env_gone(HERE)), [(THERE, second)]);
    let own = promoted(&cache, second);
    assert!(!land(&cache, HERE, token, "late").stored, "the dead leader's token is worth nothing");
    let landed = land(&cache, THERE, own, "value");
    assert!(landed.stored);
    assert_eq!(woken(&landed.woken), [(ELSEWHERE, third)]);
    assert_eq!(cache.figures().loads, 2);
}

#[test]
fn a_leader_that_is_gone_with_nobody_waiting_leaves_nothing() {
    let cache = cache(|_| {});
    lead(&cache, HERE);
    assert!(cache.env_gone(HERE).is_empty());
    assert_eq!(cache.figures().loading, 0);
    lead(&cache, THERE);
}

#[test]
fn waiters_that_are_gone_are_nobody_s_heirs() {
    let cache = cache(|_| {});
    lead(&cache, HERE);
    wait(&cache, THERE);
    let third = wait(&cache, ELSEWHERE);
    assert!(cache.env_gone(THERE).is_empty());
    assert_eq!(woken(&cache.env_gone(HERE)), [(ELSEWHERE, third)]);
    cache.validate();
}

#[test]
fn a_promotion_that_nobody_fetches_goes_to_the_next_and_back_in_line() {
    let cache = cache(|_| {});
    lead(&cache, HERE);
    let (second, third) = (wait(&cache, THERE), wait(&cache, ELSEWHERE));
    cache.env_gone(HERE);
    cache.at(ms(20));
    assert!(cache.look().is_empty(), "not yet");
    cache.at(ms(21));
    assert_eq!(woken(&cache.look()), [(ELSEWHERE, third)]);
    assert!(outcome(&cache, second).is_none(), "it waits again");
    let token = promoted(&cache, third);
    let landed = land(&cache, ELSEWHERE, token, "value");
    assert_eq!(woken(&landed.woken), [(THERE, second)]);
    cache.validate();
}

#[test]
fn a_lease_that_is_over_hands_over_and_the_late_value_is_not_stored() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    cache.at(ms(999));
    assert!(cache.look().is_empty());
    cache.at(ms(1_000));
    assert_eq!(woken(&cache.look()), [(THERE, second)]);
    let own = promoted(&cache, second);
    assert!(!land(&cache, HERE, token, "late").stored);
    assert!(land(&cache, THERE, own, "value").stored);
}

#[test]
fn who_comes_after_a_lease_leads_and_takes_those_who_wait_along() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    cache.at(ms(1_000));
    let own = lead(&cache, ELSEWHERE);
    assert!(cache.look().is_empty());
    assert!(!land(&cache, HERE, token, "late").stored);
    assert!(outcome(&cache, second).is_none());
    assert_eq!(woken(&land(&cache, ELSEWHERE, own, "value").woken), [(THERE, second)]);
}

#[test]
fn a_leader_that_nobody_waits_for_any_more_is_told_when_the_others_give_up_too() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    assert!(!cache.abandon(token), "others wait");
    let told = cache.cancel(second, false);
    assert_eq!(
        told.refused.iter().map(|(offer, why)| (offer.env, offer.ticket, *why)).collect::<Vec<_>>(),
        [(HERE, token, Why::Ended)]
    );
    assert!(cache.abandon(token));
    assert_eq!(cache.figures().loading, 0);
}

#[test]
fn who_was_promoted_and_gives_up_passes_it_on() {
    let cache = cache(|_| {});
    lead(&cache, HERE);
    let (second, third) = (wait(&cache, THERE), wait(&cache, ELSEWHERE));
    cache.env_gone(HERE);
    assert_eq!(woken(&cache.cancel(second, false)), [(ELSEWHERE, third)]);
    let token = promoted(&cache, third);
    assert!(cache.give_up(token).is_empty());
    assert_eq!(cache.figures().loading, 0);
}

#[test]
fn what_was_deleted_meanwhile_is_given_and_not_stored() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    cache.delete(HERE, b"key", &mut Gone::default());
    assert_eq!(cache.joinable(token), None);
    let own = lead(&cache, ELSEWHERE);
    let landed = land(&cache, HERE, token, "old");
    assert!(!landed.stored);
    assert_eq!(woken(&landed.woken), [(THERE, second)]);
    assert!(!cache.has(b"key"));
    assert!(land(&cache, ELSEWHERE, own, "new").stored);
}

#[test]
fn a_failed_load_backs_off_what_is_stale() {
    let cache = cache(|options| {
        options.times.stale_if_error_ms = Some(10_000.0);
        options.times.refresh_backoff_ms = Some(500.0);
    });
    set(&cache, "key", "old");
    cache.at(ms(101));
    let mut value = Value::default();
    let mut read = || cache.read(HERE, b"key", false, &mut value, || 0.5, &mut Gone::default());
    assert_eq!((read().standing, read().due), (Standing::OnError, true));
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    assert_eq!(woken(&cache.fail(token, (b"no", Encoding::Latin1), &[]).woken), [(THERE, second)]);
    assert!(matches!(outcome(&cache, second), Some(Outcome::Failed(error, _)) if &*error == b"no"));
    assert_eq!((read().standing, read().due), (Standing::OnError, false));
    cache.at(ms(601));
    assert!(read().due);
    assert_eq!(cache.figures().load_failures, 1);
}

#[test]
fn bytes_are_those_of_keys_and_values_and_a_hundred_for_each_entry() {
    let cache = cache(|options| {
        options.max_entries = None;
        options.max_bytes = Some(1_000.0);
    });
    assert!(set(&cache, "key", "0123456789"));
    assert_eq!(cache.size(), (1, 13 + ENTRY_BYTES as u64));
    assert!(set(&cache, "key", "01234"));
    assert_eq!(cache.size(), (1, 8 + ENTRY_BYTES as u64));
    assert!(!set(&cache, "key", &"x".repeat(900)), "it can never fit");
    assert_eq!(cache.size(), (0, 0), "and its key has no value any more");
    for key in 0..20 {
        assert!(set(&cache, &format!("{key:02}"), &"x".repeat(200)));
        assert!(cache.size().1 <= 1_000);
    }
    assert_eq!(cache.size().0, 3);
    assert!(!set(&cache, &"k".repeat(MAX_KEY_BYTES + 1), "x"));
}

#[test]
fn what_had_to_go_is_told_with_its_reason() {
    let cache = cache(|options| {
        options.max_entries = Some(1.0);
        options.policy = Some("lru".to_owned());
    });
    let mut gone = Gone::new(true);
    let mut put = |key: &str, value: &str| {
        let value = (value.as_bytes(), Encoding::Latin1);
        cache.set(HERE, key.as_bytes(), value, &Stored::default(), 0.5, &mut gone);
    };
    put("a", "1");
    put("a", "2");
    put("b", "3");
    cache.delete(HERE, b"b", &mut gone);
    let told: Vec<_> = gone.entries.iter().map(|(removed, reason)| (removed.key(), *reason)).collect();
    assert_eq!(
        told,
        [
            (b"a".as_slice(), Reason::Replaced),
            (b"a".as_slice(), Reason::Evicted),
            (b"b".as_slice(), Reason::Deleted)
        ]
    );
}

fn read(cache: &Cache, key: &str) -> Read {
    cache.read(HERE, key.as_bytes(), false, &mut Value::default(), || 0.5, &mut Gone::default())
}

fn words() -> &'static [AtomicU32] {
    Box::leak((0..MARKS).map(|_| AtomicU32::new(0)).collect())
}

#[test]
fn a_value_is_known_to_be_still_there_by_its_place_and_version() {
    let cache = cache(|_| {});
    set(&cache, "key", "1");
    let first = read(&cache, "key");
    let is_still = |read: &Read| {
        matches!(cache.is_still(HERE, read.place, read.version, read.held.group, || 0.5), Still::Yes(_))
    };
    assert!(is_still(&first));
    set(&cache, "other", "1");
    assert!(is_still(&first));
    set(&cache, "key", "1");
    assert!(!is_still(&first), "another value, if the same");
    let again = read(&cache, "key");
    cache.at(ms(100));
    assert!(is_still(&again));
    cache.at(ms(101));
    assert!(!is_still(&again));
    assert!(!is_still(&Read { place: u32::MAX, version: 0, ..again }));
    let figures = cache.figures();
    assert_eq!((figures.hits, figures.misses), (5, 0));
}

#[test]
fn whatever_changes_a_value_moves_its_mark_on() {
    let cache = cache(|options| {
        options.max_entries = Some(2.0);
        options.policy = Some("lru".to_owned());
    });
    cache.marks(words);
    type Change = (&'static str, fn(&Cache));
    let changes: [Change; 7] = [
        ("set", |cache| {
            set(cache, "key", "2");
        }),
        ("delete", |cache| {
            cache.delete(HERE, b"key", &mut Gone::default());
        }),
        ("expire", |cache| {
            cache.expire(b"key");
        }),
        ("clear", |cache| drop(cache.clear())),
        ("invalidate", |cache| cache.invalidate_tag("tag")),
        ("evict", |cache| {
            for nth in 0..9 {
                set(cache, &nth.to_string(), "1");
            }
        }),
        ("too large", |cache| {
            let value = (vec![0u8; 1 << 20].leak() as &[u8], Encoding::Bytes);
            cache.reconfigure(
                HERE,
                Bounds { weight: 1_000, ..cache.bounds() },
                cache.times(),
                &mut Gone::default(),
            );
            cache.set(HERE, b"key", value, &Stored::default(), 0.5, &mut Gone::default());
        }),
    ];
    for (how, change) in changes {
        let stored = Stored { tags: vec!["tag".to_owned()], ..Stored::default() };
        cache.set(HERE, b"key", (b"1", Encoding::Latin1), &stored, 0.5, &mut Gone::default());
        let before = read(&cache, "key").held;
        assert!(before.left > 0, "{how}");
        assert_eq!(read(&cache, "key").held, before, "{how}");
        change(&cache);
        let marks = cache.marks_there().unwrap().words();
        let now = [0, before.group as usize].map(|at| marks[at].load(Ordering::Relaxed));
        assert_ne!(now[0].wrapping_add(now[1]), before.mark, "{how}");
    }
}

#[test]
fn a_front_says_what_it_has_hit_and_not_told() {
    let cache = cache(|_| {});
    set(&cache, "key", "1");
    let slot = read(&cache, "key").held.slot;
    let marks = cache.marks(words);
    let (own, gone) = (marks.claim(HERE).unwrap(), marks.claim(THERE).unwrap());
    marks.words()[own as usize].store(3, Ordering::Relaxed);
    marks.words()[gone as usize].store(5, Ordering::Relaxed);
    assert_eq!(cache.figures().hits, 1 + 3 + 5);
    cache.fronted(HERE, own, [slot; 3].into_iter());
    assert_eq!(cache.figures().hits, 1 + 3 + 5);
    cache.env_gone(THERE);
    assert_eq!(cache.figures().hits, 1 + 3 + 5);
    let claimed: Vec<_> = (0..100).map_while(|_| marks.claim(ELSEWHERE)).collect();
    assert_eq!(claimed.len(), 63, "64 with the first one's");
    marks.release(claimed[0]);
    assert_eq!(marks.claim(HERE), Some(claimed[0]));
    assert_eq!(cache.figures().hits, 1 + 3 + 5);
}

#[test]
fn what_is_to_be_loaded_early_is_drawn_once() {
    let cache = cache(|options| options.times.early_refresh_beta = Some(1.0));
    let token = lead(&cache, HERE);
    let how = (true, ms(50), 0.0);
    cache.land(HERE, token, Some((b"1", Encoding::Latin1)), &Stored::default(), how, &mut Gone::default());
    cache.marks(words);
    let first = read(&cache, "key");
    assert_eq!(first.held.left, 0, "each hit has to ask");
    let is_still = |draw| cache.is_still(HERE, first.place, first.version, first.held.group, || draw);
    assert!(matches!(is_still(0.0), Still::Yes(_)));
    assert_eq!(is_still(0.999), Still::Early);
    let read =
        |draw| cache.read(HERE, b"key", false, &mut Value::default(), || draw, &mut Gone::default()).due;
    assert!(read(1.0));
    assert!(!read(0.0));
}

#[test]
fn a_load_that_is_to_come_to_its_end_is_not_given_up_by_who_waited() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    assert!(!cache.abandon(token), "others wait");
    assert!(cache.cancel(second, true).is_empty());
    assert!(!cache.abandon(token));
    assert!(land(&cache, HERE, token, "value").stored);
    cache.at(ms(101));
    let token = lead(&cache, ELSEWHERE);
    assert!(cache.cancel(wait(&cache, THERE), true).is_empty());
    assert!(!cache.abandon(token), "nobody waits, and it goes on");
    assert!(land(&cache, ELSEWHERE, token, "value").stored);
}

#[test]
fn who_led_past_the_lease_is_told_that_another_does() {
    let told = |woken: &Woken| -> Vec<_> {
        woken.refused.iter().map(|(offer, why)| (offer.env, offer.ticket, *why)).collect()
    };
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let second = wait(&cache, THERE);
    cache.at(ms(1_000));
    assert_eq!(told(&cache.look()), [(HERE, token, Why::Ended)]);
    let own = promoted(&cache, second);
    cache.at(ms(2_000));
    let mut woken = Woken::default();
    assert!(matches!(cache.join(ELSEWHERE, b"key", false, &mut woken), Some(Joined::Lead(_))));
    assert_eq!(told(&woken), [(THERE, own, Why::Ended)]);
}

#[test]
fn who_asked_after_an_invalidation_is_told_to_ask_again_whatever_the_load_came_to() {
    let cache = cache(|_| {});
    let tags = ["tag".to_owned()];
    for tag in ["tag", "other"] {
        let wanted = if tag == "tag" { cache.sequence() + 1 } else { u64::MAX };
        let token = lead(&cache, HERE);
        cache.invalidate_tag(tag);
        assert_eq!(cache.fail(token, (b"no", Encoding::Latin1), &tags).barrier, wanted);
        let wanted = if tag == "tag" { cache.sequence() + 1 } else { u64::MAX };
        let token = lead(&cache, HERE);
        cache.invalidate_tag(tag);
        assert_eq!(cache.alone(token, &tags).barrier, wanted);
        assert_eq!(cache.alone(token, &tags).barrier, 0, "another leads by now");
    }
}

#[test]
fn clearing_takes_everything_at_once_and_what_is_loaded_later_stays_away() {
    let cache = cache(|_| {});
    for key in 0..100 {
        set(&cache, &key.to_string(), "x");
    }
    let token = lead(&cache, HERE);
    let garbage = cache.clear();
    assert_eq!(garbage.entries, 100);
    let mut gone = Gone::new(true);
    garbage.into_gone(&mut gone);
    assert_eq!(gone.entries.len(), 100);
    assert!(!land(&cache, HERE, token, "old").stored);
    assert_eq!(cache.size(), (0, 0));
    cache.validate();
}

/// So many rounds of two calls at the same instant.
const ROUNDS: usize = 3_000;

/// Runs both at once, again and again; `check` looks at what came of each round.
fn at_once(
    cache: &Cache,
    first: impl Fn(usize) + Sync,
    second: impl Fn(usize) + Sync,
    check: impl Fn(usize),
) {
    let gate = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for call in [&first as &(dyn Fn(usize) + Sync), &second] {
            let gate = &gate;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    gate.wait();
                    call(round);
                    gate.wait();
                }
            });
        }
        for round in 0..ROUNDS {
            gate.wait();
            gate.wait();
            check(round);
        }
    });
    cache.validate();
}

#[test]
fn threads_of_one_stripe_note_their_hits_beside_each_other() {
    for policy in ["lru", "wtinylfu"] {
        let cache = cache(|options| options.policy = Some(policy.to_owned()));
        set(&cache, "key", "value");
        let read = |env: EnvId| {
            let (mut value, mut gone) = (Value::default(), Gone::default());
            for _ in 0..100 {
                let read = cache.read(env, b"key", false, &mut value, || 0.5, &mut gone);
                assert_eq!(read.standing, Standing::Fresh);
            }
        };
        // Environments whose numbers differ by 16 share a stripe.
        at_once(&cache, |_| read(1), |_| read(17), |_| {});
        assert_eq!(cache.figures().hits as usize, 2 * 100 * ROUNDS);
    }
}

#[test]
fn a_load_that_finds_nothing_does_not_remove_what_was_set_meanwhile() {
    let cache = cache(|_| {});
    let tokens: Vec<_> = (0..ROUNDS).map(|round| lead_of(&cache, &round.to_string())).collect();
    let nothing = |round: usize| {
        cache.land(THERE, tokens[round], None, &Stored::default(), (true, 0, 0.5), &mut Gone::default());
    };
    let check = |round: usize| assert!(cache.has(round.to_string().as_bytes()), "round {round}");
    at_once(&cache, nothing, |round| assert!(set(&cache, &round.to_string(), "set")), check);
}

#[test]
fn a_load_that_is_fenced_at_the_last_moment_leaves_the_bytes_what_they_were() {
    let cache = cache(|options| {
        options.max_entries = None;
        options.max_bytes = Some(1e9);
    });
    let tokens: Vec<_> = (0..ROUNDS)
        .map(|round| {
            assert!(set(&cache, &round.to_string(), &"x".repeat(5_000)));
            lead_of(&cache, &round.to_string())
        })
        .collect();
    let small = |round: usize| {
        land(&cache, THERE, tokens[round], "small");
    };
    let expire = |round: usize| {
        cache.expire(round.to_string().as_bytes());
    };
    at_once(&cache, small, expire, |round| {
        if round % 100 == 0 {
            cache.validate();
        }
    });
}

fn lead_of(cache: &Cache, key: &str) -> Token {
    match cache.join(HERE, key.as_bytes(), true, &mut Woken::default()) {
        Some(Joined::Lead(token)) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_made_shorter_during_a_load_is_that_of_the_load_too() {
    let cache = cache(|_| {});
    let token = lead(&cache, HERE);
    let times = TimeOptions { ttl_ms: Some(100.0), lease_ms: Some(10.0), ..TimeOptions::default() };
    cache.reconfigure(HERE, cache.bounds(), times.check().unwrap(), &mut Gone::default());
    cache.invalidate_tag("tag");
    cache.at(ms(20));
    // By now the tag may be forgotten.
    for other in 0..8 {
        cache.invalidate_tag(&other.to_string());
    }
    let stored = Stored { ttl: None, tags: vec!["tag".to_owned()] };
    let value = Some((b"old".as_slice(), Encoding::Latin1));
    let landed = cache.land(HERE, token, value, &stored, (true, 0, 0.5), &mut Gone::default());
    assert!(!landed.stored);
}
