//! One queue against a naive one: a list of messages, of which so many are spoken for.

use std::collections::VecDeque;

use breakwater_core::{
    queue::{Encoding, Enter, Hand, Outcome, Overflow, Push, Queue, Rules, Take},
    room::{EnvId, Ticket, Woken},
};
use proptest::prelude::*;

use super::{cases, support::OnClock};

#[derive(Clone, Debug)]
enum Op {
    Push {
        env: EnvId,
        size: usize,
        wide: bool,
        may_wait: bool,
    },
    Take {
        env: EnvId,
        max: u64,
    },
    Enter(EnvId),
    /// Takes with the ticket of the oldest offer.
    TakeOffered {
        max: u64,
    },
    /// Whoever came so many-th and waits or was offered something gives up.
    Cancel(usize),
    Confirm(EnvId),
    GiveBack(EnvId),
    EnvGone(EnvId),
    Close {
        drain: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Waiting,
    Offered,
}

type Message = (Vec<u8>, Encoding);

struct Naive {
    rules: Rules,
    messages: VecDeque<Message>,
    consumers: Vec<(EnvId, Ticket, Is)>,
    producers: VecDeque<(EnvId, Ticket, Message)>,
    hands: Vec<(Hand, Vec<Message>)>,
    closed: Option<bool>,
    accepted: usize,
    delivered: usize,
    dropped: usize,
}

impl Naive {
    fn bytes(&self) -> u64 {
        self.messages.iter().map(|(message, _)| message.len() as u64).sum()
    }

    fn fits(&self, message: &Message) -> bool {
        (self.messages.len() as u64) < self.rules.capacity
            && self.rules.max_bytes.is_none_or(|most| self.bytes() + message.0.len() as u64 <= most)
    }

    fn accept(&mut self, message: Message) {
        self.messages.push_back(message);
        self.accepted += 1;
    }

    fn push(&mut self, message: &Message, may_wait: bool) -> &'static str {
        let Rules { max_bytes, overflow, .. } = self.rules;
        if self.closed.is_some() {
            return "closed";
        }
        if max_bytes.is_some_and(|most| message.0.len() as u64 > most) {
            return "never";
        }
        if overflow == Overflow::DropOldest {
            while !self.fits(message) {
                self.messages.pop_front();
                self.dropped += 1;
            }
        }
        if self.producers.is_empty() && self.fits(message) {
            self.accept(message.clone());
            "stored"
        } else if may_wait && overflow != Overflow::DropNewest {
            "waiting"
        } else {
            "refused"
        }
    }

    fn reserved(&self) -> usize {
        self.consumers.iter().filter(|(_, _, is)| *is == Is::Offered).count()
    }

    fn free(&self) -> usize {
        self.messages.len().saturating_sub(self.reserved())
    }

    fn ended(&self) -> bool {
        self.closed.is_some()
            && self.messages.is_empty()
            && self.hands.iter().all(|(_, held)| held.is_empty())
    }

    /// What a consumer gets: messages of one encoding.
    fn take(&mut self, env: EnvId, max: u64) -> Vec<Message> {
        let mut taken = Vec::new();
        let most = self.free().min(max as usize);
        while taken.len() < most && taken.first().is_none_or(|(_, of)| *of == self.messages[0].1) {
            taken.extend(self.messages.pop_front());
        }
        self.hands[env as usize].1.extend(taken.iter().cloned());
        taken
    }

    /// What a call woke: offers in order of arrival, to those who were waiting.
    fn woken(&mut self, woken: &Woken) {
        for offer in &woken.offers {
            if let Some(consumer) = self.consumers.iter_mut().find(|(_, ticket, _)| *ticket == offer.ticket) {
                assert_eq!((consumer.0, consumer.2), (offer.env, Is::Waiting), "offered twice");
                consumer.2 = Is::Offered;
            } else {
                let (env, ticket, message) = self.producers.pop_front().expect("somebody waits");
                assert_eq!((env, ticket), (offer.env, offer.ticket), "not the head of the line");
                assert!(self.fits(&message));
                self.accept(message);
            }
        }
        for (refused, _) in &woken.refused {
            let before = self.consumers.len() + self.producers.len();
            self.consumers.retain(|(_, ticket, is)| *ticket != refused.ticket || *is != Is::Waiting);
            self.producers.retain(|(_, ticket, _)| *ticket != refused.ticket);
            assert_eq!(self.consumers.len() + self.producers.len(), before - 1, "refused twice");
            assert!(self.closed.is_some());
        }
    }

    fn check(&self, queue: &Queue) {
        let mut waiting = self.consumers.iter().filter(|(_, _, is)| *is == Is::Waiting);
        if waiting.clone().next().is_some() {
            assert_eq!(self.free(), 0, "somebody waits for what is there");
            assert!(!self.ended(), "somebody waits for what will not come");
        }
        let first_offered = self.consumers.iter().rposition(|(_, _, is)| *is == Is::Offered);
        let first_waiting = self.consumers.iter().position(|(_, _, is)| *is == Is::Waiting);
        assert!(first_waiting.is_none() || first_offered < first_waiting, "served out of order");
        if let Some((_, _, message)) = self.producers.front() {
            assert!(!self.fits(message), "there is room for who waits for it");
        }
        let held: usize = self.hands.iter().map(|(_, held)| held.len()).sum();
        assert_eq!(self.accepted, self.delivered + self.dropped + self.messages.len() + held);
        let figures = queue.figures();
        assert_eq!((figures.size, figures.bytes), (self.messages.len() as u64, self.bytes()));
        assert_eq!(figures.pushed, self.accepted as u64);
        assert_eq!(figures.popped, (self.delivered + held) as u64);
        assert_eq!(figures.dropped, self.dropped as u64);
        assert_eq!(figures.waiting_pops, waiting.by_ref().count() as u64);
        assert_eq!(figures.waiting_pushes, self.producers.len() as u64);
    }
}

struct Run {
    real: OnClock<Queue>,
    naive: Naive,
    serial: u8,
}

const ENVS: EnvId = 3;

impl Run {
    fn new(rules: Rules) -> Self {
        let naive = Naive {
            rules,
            messages: VecDeque::new(),
            consumers: Vec::new(),
            producers: VecDeque::new(),
            hands: (0..ENVS).map(|_| Default::default()).collect(),
            closed: None,
            accepted: 0,
            delivered: 0,
            dropped: 0,
        };
        Self { real: OnClock::new(|clock| Queue::new(&rules, clock)), naive, serial: 0 }
    }

    fn heard<T>(&mut self, outcome: Outcome<T>) -> T {
        self.naive.woken(&outcome.woken);
        outcome.answer
    }

    fn take(&mut self, env: EnvId, ticket: Option<Ticket>, max: u64) {
        self.delivered(env);
        self.naive.consumers.retain(|(_, other, _)| Some(*other) != ticket);
        let expected = self.naive.take(env, max);
        let mut hand = std::mem::take(&mut self.naive.hands[env as usize].0);
        let outcome = self.real.take(env, ticket, max, &mut hand);
        let got: Vec<Message> = hand.messages().map(|(message, of)| (message.to_vec(), of)).collect();
        assert_eq!(got, expected);
        self.naive.hands[env as usize].0 = hand;
        match self.heard(outcome) {
            Take::Taken { count, closed, more } => {
                assert_eq!((count, closed), (expected.len() as u64, self.naive.closed.is_some()));
                assert!(count > 0);
                let _ = more;
            }
            Take::Empty => assert!(expected.is_empty() && !self.naive.ended()),
            Take::Ended => assert!(expected.is_empty() && self.naive.ended()),
        }
    }

    /// What the environment holds counts as delivered from now on.
    fn delivered(&mut self, env: EnvId) {
        let (hand, held) = &mut self.naive.hands[env as usize];
        self.naive.delivered += held.len();
        held.clear();
        hand.clear();
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Push { env, size, wide, may_wait } => {
                self.serial = self.serial.wrapping_add(1);
                let encoding = if wide { Encoding::Utf16 } else { Encoding::Latin1 };
                let message = (vec![self.serial; size], encoding);
                let expected = self.naive.push(&message, may_wait);
                let outcome = self.real.push(env, &message.0, encoding, may_wait);
                if let Push::Waiting(ticket) = outcome.answer {
                    self.naive.producers.push_back((env, ticket, message));
                }
                let got = match self.heard(outcome) {
                    Push::Stored => "stored",
                    Push::Waiting(_) => "waiting",
                    Push::Refused => "refused",
                    Push::Never => "never",
                    Push::Closed => "closed",
                };
                assert_eq!(got, expected);
            }
            Op::Take { env, max } => self.take(env, None, max),
            Op::Enter(env) => {
                let outcome = self.real.enter(env);
                if let Enter::Waiting(ticket) = outcome.answer {
                    assert!(!self.naive.ended());
                    self.naive.consumers.push((env, ticket, Is::Waiting));
                } else {
                    assert!(self.naive.ended());
                }
                self.heard(outcome);
            }
            Op::TakeOffered { max } => {
                let offered = self.naive.consumers.iter().find(|(_, _, is)| *is == Is::Offered);
                if let Some(&(env, ticket, _)) = offered {
                    assert!(self.real.claim(ticket));
                    self.take(env, Some(ticket), max);
                }
            }
            Op::Cancel(which) => {
                let consumers = self.naive.consumers.len();
                if which < consumers {
                    let (_, ticket, _) = self.naive.consumers.remove(which);
                    let outcome = self.real.cancel(ticket);
                    assert!(self.heard(outcome));
                } else if let Some((_, ticket, _)) = self.naive.producers.remove(which - consumers) {
                    let outcome = self.real.cancel(ticket);
                    assert!(self.heard(outcome));
                }
            }
            Op::Confirm(env) => {
                self.delivered(env);
                let outcome = self.real.confirm(env);
                self.heard(outcome);
            }
            Op::GiveBack(env) => {
                let (mut hand, held) = std::mem::take(&mut self.naive.hands[env as usize]);
                if self.naive.closed == Some(false) {
                    self.naive.dropped += held.len();
                } else {
                    for message in held.into_iter().rev() {
                        self.naive.messages.push_front(message);
                    }
                }
                let outcome = self.real.give_back(env, &hand);
                hand.clear();
                self.heard(outcome);
            }
            Op::EnvGone(env) => {
                self.delivered(env);
                self.naive.consumers.retain(|(other, _, _)| *other != env);
                self.naive.producers.retain(|(other, _, _)| *other != env);
                let outcome = self.real.env_gone(env);
                self.heard(outcome);
            }
            Op::Close { drain } => {
                if self.naive.closed != Some(false) {
                    self.naive.closed = Some(drain);
                }
                if !drain {
                    self.naive.dropped += self.naive.messages.len();
                    self.naive.messages.clear();
                }
                let (outcome, _) = self.real.close(drain);
                self.heard(outcome);
            }
        }
        self.naive.check(&self.real);
    }
}

fn op() -> impl Strategy<Value = Op> {
    let env = 0..ENVS;
    let size = prop_oneof![8 => 0usize..6, 1 => Just(9_000usize), 1 => Just(3_000usize)];
    prop_oneof![
        12 => (env.clone(), size, any::<bool>(), any::<bool>())
            .prop_map(|(env, size, wide, may_wait)| Op::Push { env, size, wide: wide && size > 3, may_wait }),
        5 => (env.clone(), 1u64..6).prop_map(|(env, max)| Op::Take { env, max }),
        5 => env.clone().prop_map(Op::Enter),
        5 => (1u64..6).prop_map(|max| Op::TakeOffered { max }),
        2 => (0usize..6).prop_map(Op::Cancel),
        2 => env.clone().prop_map(Op::Confirm),
        2 => env.clone().prop_map(Op::GiveBack),
        1 => env.prop_map(Op::EnvGone),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let overflow = prop_oneof![
        Just(Overflow::Reject),
        Just(Overflow::Wait),
        Just(Overflow::DropOldest),
        Just(Overflow::DropNewest)
    ];
    let max_bytes = prop_oneof![2 => Just(None), 1 => (1u64..12).prop_map(Some), 1 => Just(Some(20_000))];
    (1u64..8, max_bytes, overflow).prop_map(|(capacity, max_bytes, overflow)| Rules {
        capacity,
        max_bytes,
        overflow,
    })
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn every_message_leaves_once_in_order_and_nobody_waits_for_what_is_there(
        rules in rules(),
        mut ops in prop::collection::vec(op(), 1..120),
        close in prop::option::of((0usize..120, any::<bool>())),
    ) {
        if let Some((at, drain)) = close {
            ops.insert(at.min(ops.len()), Op::Close { drain });
        }
        let mut run = Run::new(rules);
        for op in &ops {
            run.step(op);
        }
    }
}
