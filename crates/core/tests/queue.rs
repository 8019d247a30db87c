//! Stories of one bounded queue, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod support;

use breakwater_core::{
    queue::{
        Encoding, Enter, Figures, Hand, Linger, MAX_MESSAGE_BYTES, Options, Outcome, Overflow, Push, Queue,
        Rules, Take,
    },
    room::{EnvId, Ticket, Woken},
};
use support::{OnClock, ms};

const HERE: EnvId = 1;
const THERE: EnvId = 2;

fn queue(capacity: u64, max_bytes: Option<u64>, overflow: Overflow) -> OnClock<Queue> {
    OnClock::new(|clock| Queue::new(&Rules { capacity, max_bytes, overflow }, clock))
}

fn of(capacity: u64) -> OnClock<Queue> {
    queue(capacity, None, Overflow::Wait)
}

/// Pushes a message of Latin-1 text; nobody is to be woken.
fn push(queue: &Queue, message: &str) -> Push {
    let Outcome { answer, woken, .. } = queue.push(HERE, message.as_bytes(), Encoding::Latin1, true);
    assert_eq!(offers(&woken), []);
    answer
}

fn waiting(push: Push) -> Ticket {
    let Push::Waiting(ticket) = push else { panic!("{push:?}") };
    ticket
}

fn enter(queue: &Queue, env: EnvId) -> Ticket {
    let answer = queue.enter(env).answer;
    let Enter::Waiting(ticket) = answer else { panic!("{answer:?}") };
    ticket
}

fn offers(woken: &Woken) -> Vec<(EnvId, Ticket)> {
    woken.offers.iter().map(|offer| (offer.env, offer.ticket)).collect()
}

fn words(hand: &Hand) -> Vec<String> {
    hand.messages().map(|(message, _)| String::from_utf8_lossy(message).into_owned()).collect()
}

/// Takes up to `max` and delivers them.
fn take(queue: &Queue, env: EnvId, ticket: Option<Ticket>, max: u64) -> Vec<String> {
    let mut hand = Hand::default();
    queue.take(env, ticket, max, &mut hand);
    queue.confirm(env);
    words(&hand)
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let queue = of(1_000);
    for index in 0..300 {
        assert_eq!(push(&queue, &format!("{index}")), Push::Stored);
    }
    let taken: Vec<_> = [1, 7, 0, 300].into_iter().flat_map(|max| take(&queue, HERE, None, max)).collect();
    assert_eq!(taken, (0..300).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[test]
fn messages_of_every_size_come_out_as_they_went_in_whatever_lies_between() {
    let queue = of(1_000_000);
    let sizes = [0, 1, 5, 1_000, 8_191, 8_192, 8_193, 60_000, 64_000, 70_000, 200_000, 3];
    let message = |index: usize| vec![index as u8; sizes[index % sizes.len()]];
    let encoding = |index: usize| [Encoding::Bytes, Encoding::Latin1, Encoding::Utf16][index / 20 % 3];
    for index in 0..600 {
        queue.push(HERE, &message(index), encoding(index), false);
    }
    let (mut next, mut hand, mut brought_back) = (0, Hand::default(), 0);
    while let Take::Taken { count, .. } = queue.take(HERE, None, 1 + next as u64 % 90, &mut hand).answer {
        assert_eq!(hand.len() as u64, count);
        for (offset, (bytes, of)) in hand.messages().enumerate() {
            assert_eq!((bytes, of), (message(next + offset).as_slice(), encoding(next + offset)));
        }
        // Every third batch is brought back once.
        if next % 3 == 0 && brought_back != next {
            brought_back = next;
            queue.give_back(HERE, &hand);
        } else {
            next += hand.len();
        }
        hand.clear();
    }
    assert_eq!((next, queue.size(), queue.figures().bytes), (600, 0, 0));
}

#[test]
fn a_batch_is_of_one_encoding() {
    let queue = of(10);
    for (message, encoding) in [("a", Encoding::Latin1), ("bb", Encoding::Utf16), ("c", Encoding::Latin1)] {
        queue.push(HERE, message.as_bytes(), encoding, false);
    }
    for expected in ["a", "bb", "c"] {
        assert_eq!(take(&queue, HERE, None, 10), [expected]);
    }
}

#[test]
fn a_huge_message_is_taken_alone() {
    let queue = of(10);
    let huge = vec![b'x'; 70_000];
    for message in [b"a".as_slice(), b"b", &huge, b"c"] {
        queue.push(HERE, message, Encoding::Latin1, false);
    }
    let mut hand = Hand::default();
    let mut counts = Vec::new();
    while let Take::Taken { count, .. } = queue.take(HERE, None, 10, &mut hand).answer {
        counts.push((count, hand.since(0).0.len()));
        hand.clear();
    }
    assert_eq!(counts, [(2, 2), (1, 70_000), (1, 1)]);
}

#[test]
fn a_full_queue_refuses_or_lets_wait_or_drops_by_its_rule() {
    let fill = |overflow| {
        let queue = queue(2, None, overflow);
        queue.push(HERE, b"1", Encoding::Latin1, true);
        queue.push(HERE, b"2", Encoding::Latin1, true);
        let answer = queue.push(HERE, b"3", Encoding::Latin1, true).answer;
        (matches!(answer, Push::Waiting(_)), answer == Push::Refused, take(&queue, HERE, None, 2))
    };
    assert_eq!(fill(Overflow::Wait), (true, false, vec!["1".into(), "2".into()]));
    assert_eq!(fill(Overflow::Reject), (true, false, vec!["1".into(), "2".into()]));
    assert_eq!(fill(Overflow::DropNewest), (false, true, vec!["1".into(), "2".into()]));
    assert_eq!(fill(Overflow::DropOldest), (false, false, vec!["2".into(), "3".into()]));
}

#[test]
fn bytes_are_bounded_too_and_a_large_message_drops_as_many_old_ones_as_it_needs() {
    let queue = queue(100, Some(10), Overflow::DropOldest);
    for message in ["aaa", "bbb", "ccc"] {
        push(&queue, message);
    }
    assert_eq!(push(&queue, "ddddd"), Push::Stored);
    assert_eq!((queue.figures().bytes, queue.figures().dropped), (8, 2));
    assert_eq!(push(&queue, "eeeeeeeeeee"), Push::Never);
    assert_eq!(take(&queue, HERE, None, 9), ["ccc", "ddddd"]);
}

#[test]
fn who_waits_for_room_is_stored_in_the_call_that_makes_it_and_never_passed() {
    let queue = of(1);
    push(&queue, "1");
    let second = waiting(push(&queue, "2"));
    let third = waiting(push(&queue, "3"));
    // A newcomer that does not wait is refused, even when there is room for the head of the line alone.
    assert_eq!(queue.push(THERE, b"x", Encoding::Latin1, false).answer, Push::Refused);
    let mut hand = Hand::default();
    let taken = queue.take(THERE, None, 1, &mut hand);
    assert_eq!(offers(&taken.woken), [(HERE, second)]);
    assert!(queue.claim(second) && !queue.claim(second));
    assert_eq!((queue.size(), queue.figures().waiting_pushes), (1, 1));
    assert!(queue.cancel(third).answer, "it was not stored");
    assert!(!queue.cancel(second).answer, "it was");
    assert_eq!(take(&queue, THERE, None, 9), ["2"]);
    assert_eq!(queue.figures().pushed, 2);
}

#[test]
fn a_consumer_that_waits_is_woken_once_and_not_passed() {
    let queue = of(10);
    let (first, second) = (enter(&queue, HERE), enter(&queue, THERE));
    let woken = queue.push(HERE, b"1", Encoding::Latin1, false).woken;
    assert_eq!(offers(&woken), [(HERE, first)]);
    assert_eq!(take(&queue, THERE, None, 9), [""; 0], "reserved");
    let woken = queue.push(HERE, b"2", Encoding::Latin1, false).woken;
    assert_eq!(offers(&woken), [(THERE, second)]);
    assert_eq!(offers(&queue.push(HERE, b"3", Encoding::Latin1, false).woken), []);
    assert_eq!(take(&queue, THERE, Some(second), 1), ["1"]);
    assert_eq!(take(&queue, HERE, Some(first), 9), ["2", "3"]);
}

#[test]
fn what_a_consumer_gives_up_goes_to_the_next() {
    let queue = of(10);
    let (first, second) = (enter(&queue, HERE), enter(&queue, THERE));
    queue.push(HERE, b"1", Encoding::Latin1, false);
    assert_eq!(offers(&queue.cancel(first).woken), [(THERE, second)]);
    assert_eq!(take(&queue, HERE, Some(first), 1), [""; 0], "a ticket that has left is worth nothing");
    let third = enter(&queue, HERE);
    assert_eq!(offers(&queue.env_gone(THERE).woken), [(HERE, third)]);
    assert_eq!(take(&queue, HERE, Some(third), 1), ["1"]);
}

#[test]
fn what_an_environment_held_when_it_ended_comes_first_again_in_order() {
    let queue = of(10);
    for message in ["1", "2", "3", "4"] {
        push(&queue, message);
    }
    let mut hand = Hand::default();
    queue.take(HERE, None, 3, &mut hand);
    push(&queue, "5");
    let waits = enter(&queue, THERE);
    assert_eq!(take(&queue, THERE, Some(waits), 1), ["4"]);
    queue.give_back(HERE, &hand);
    queue.env_gone(HERE);
    assert_eq!(queue.figures().popped, 1);
    assert_eq!(take(&queue, THERE, None, 9), ["1", "2", "3", "5"]);
}

#[test]
fn a_hand_is_added_to_and_an_empty_one_says_that_what_was_in_it_is_delivered() {
    let queue = of(10);
    for message in ["1", "2", "3"] {
        push(&queue, message);
    }
    let mut hand = Hand::default();
    queue.take(HERE, None, 1, &mut hand);
    queue.take(HERE, None, 1, &mut hand);
    assert_eq!((words(&hand), words_since(&hand, 1)), (vec!["1".into(), "2".into()], "2".to_owned()));
    let (outcome, _) = queue.close(true);
    assert_eq!(outcome.woken.replan, [HERE], "it may have delivered them");
    hand.clear();
    assert_eq!(
        queue.take(HERE, None, 9, &mut hand).answer,
        Take::Taken { count: 1, closed: true, more: false }
    );
    let end = queue.await_end(THERE).answer;
    let Enter::Waiting(end) = end else { panic!("the last message is not delivered yet") };
    assert_eq!(offers(&queue.confirm(HERE).woken), [(THERE, end)]);
    assert_eq!(queue.await_end(THERE).answer, Enter::Ended);
}

fn words_since(hand: &Hand, before: usize) -> String {
    String::from_utf8_lossy(hand.since(before).0).into_owned()
}

#[test]
fn the_reservation_of_a_blocked_loop_goes_to_who_asks_20_ms_later() {
    let queue = of(10);
    let blocked = enter(&queue, HERE);
    queue.push(THERE, b"1", Encoding::Latin1, false);
    let waits = enter(&queue, THERE);
    queue.pass(ms(20) - 1);
    assert_eq!(take(&queue, THERE, None, 1), [""; 0]);
    queue.pass(1);
    // Who waits comes before who has just come.
    let mut hand = Hand::default();
    let asked = queue.take(THERE, None, 1, &mut hand);
    assert_eq!((asked.answer, offers(&asked.woken)), (Take::Empty, vec![(THERE, waits)]));
    assert_eq!(take(&queue, THERE, Some(waits), 1), ["1"]);
    assert_eq!(take(&queue, HERE, Some(blocked), 1), [""; 0]);
}

#[test]
fn a_lingering_consumer_waits_for_the_rest_and_keeps_only_the_first_from_others() {
    let queue = of(10);
    push(&queue, "1");
    assert_eq!(queue.linger(HERE, None, 1, ms(50)).answer, Linger::Take);
    let lingering = queue.linger(HERE, None, 3, ms(50)).answer;
    let Linger::Waiting(lingering) = lingering else { panic!("{lingering:?}") };
    assert_eq!(queue.linger(THERE, None, 3, ms(50)).answer, Linger::Empty);
    push(&queue, "2");
    assert_eq!(take(&queue, THERE, None, 9), ["1"], "what is not reserved is anybody's");
    push(&queue, "3");
    let woken = queue.push(HERE, b"4", Encoding::Latin1, false).woken;
    assert_eq!(offers(&woken), [(HERE, lingering)]);
    assert_eq!(take(&queue, THERE, None, 9), [""; 0], "all three are");
    assert_eq!(take(&queue, HERE, Some(lingering), 3), ["2", "3", "4"]);
}

#[test]
fn a_lingering_consumer_takes_what_there_is_when_its_time_is_over_or_the_queue_closed() {
    let queue = of(10);
    push(&queue, "1");
    let Linger::Waiting(lingering) = queue.linger(HERE, None, 3, ms(50)).answer else { panic!() };
    push(&queue, "2");
    queue.pass(ms(50));
    assert_eq!(take(&queue, HERE, Some(lingering), 3), ["1", "2"]);
    push(&queue, "3");
    let Linger::Waiting(lingering) = queue.linger(HERE, None, 3, ms(50)).answer else { panic!() };
    let (outcome, _) = queue.close(true);
    assert_eq!(offers(&outcome.woken), [(HERE, lingering)]);
    assert_eq!(take(&queue, HERE, Some(lingering), 3), ["3"]);
}

#[test]
fn a_lingering_consumer_that_is_late_loses_what_was_reserved() {
    let queue = of(10);
    push(&queue, "1");
    let Linger::Waiting(lingering) = queue.linger(HERE, None, 3, ms(50)).answer else { panic!() };
    queue.pass(ms(70) - 1);
    assert_eq!(take(&queue, THERE, None, 1), [""; 0]);
    queue.pass(1);
    assert_eq!(take(&queue, THERE, None, 1), ["1"]);
    assert_eq!(take(&queue, HERE, Some(lingering), 3), [""; 0]);
}

#[test]
fn closing_ends_pushes_lets_the_rest_out_and_then_ends_pops() {
    let queue = of(1);
    push(&queue, "1");
    let refused = waiting(push(&queue, "2"));
    let (outcome, _) = queue.close(true);
    assert_eq!(outcome.woken.refused.iter().map(|(gone, _)| gone.ticket).collect::<Vec<_>>(), [refused]);
    assert_eq!(push(&queue, "3"), Push::Closed);
    let Enter::Waiting(end) = queue.await_end(THERE).answer else { panic!() };
    let mut hand = Hand::default();
    assert_eq!(
        queue.take(HERE, None, 9, &mut hand).answer,
        Take::Taken { count: 1, closed: true, more: false }
    );
    // The message might be brought back.
    let waits = enter(&queue, THERE);
    let woken = queue.confirm(HERE).woken;
    assert_eq!((offers(&woken), woken.refused.len()), (vec![(THERE, end)], 1));
    assert_eq!(woken.refused[0].0.ticket, waits);
    assert_eq!(queue.take(HERE, None, 9, &mut Hand::default()).answer, Take::Ended);
    assert_eq!(queue.enter(HERE).answer, Enter::Ended);
}

#[test]
fn closing_without_draining_hands_what_is_left_to_its_caller() {
    let queue = of(10);
    for message in ["1", "22", "333"] {
        push(&queue, message);
    }
    let mut hand = Hand::default();
    queue.take(THERE, None, 1, &mut hand);
    let (_, discarded) = queue.close(false);
    assert_eq!(discarded.bytes(), 5);
    queue.give_back(THERE, &hand);
    let expected = Figures { pushed: 3, dropped: 3, closed: true, ..Figures::default() };
    assert_eq!(queue.figures(), expected);
    assert_eq!(queue.await_end(HERE).answer, Enter::Ended);
}

#[test]
fn listeners_hear_of_running_low_and_of_drops_once_until_they_look() {
    let queue = queue(4, None, Overflow::DropOldest);
    for _ in 0..4 {
        push(&queue, "x");
    }
    assert_eq!(queue.events(), (0, 0));
    assert!(queue.push(HERE, b"x", Encoding::Latin1, false).tell);
    assert!(!queue.push(HERE, b"x", Encoding::Latin1, false).tell, "nobody has looked yet");
    assert_eq!(queue.events(), (0, 2));
    let mut hand = Hand::default();
    assert!(!queue.take(HERE, None, 1, &mut hand).tell);
    assert!(queue.take(HERE, None, 1, &mut hand).tell, "half of its capacity");
    assert_eq!(queue.events(), (1, 2));
    assert!(!queue.take(HERE, None, 1, &mut hand).tell, "not full in between");
}

#[test]
fn a_message_longer_than_its_header_can_say_is_refused() {
    let queue = queue(1, None, Overflow::DropOldest);
    let message = vec![0; MAX_MESSAGE_BYTES + 1];
    assert_eq!(queue.push(HERE, &message, Encoding::Bytes, false).answer, Push::Never);
}

#[test]
fn options_have_the_defaults_they_document() {
    let rules = Options { capacity: Some(5.0), ..Options::default() }.check().unwrap();
    assert_eq!(rules, Rules { capacity: 5, max_bytes: None, overflow: Overflow::Reject });
}
