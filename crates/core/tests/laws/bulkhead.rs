//! One bulkhead against a naive one that keeps a list and looks through it, and against what must hold whatever happens.

use std::collections::BTreeMap;

use breakwater_core::{
    bulkhead::{Bulkhead, Change, Concurrency, Freed, Options, Wait, Wanted},
    clock::Nanos,
    room::{EnvId, OFFER_LASTS, Ticket, Why, Woken},
};
use proptest::prelude::*;

use super::{cases, support::OnClock};

const ENVS: [EnvId; 3] = [1, 2, 3];

/// The largest limit.
const MOST: u32 = 6;

#[derive(Clone, Copy, Debug)]
struct Caller {
    env: usize,
    weight: u32,
    priority: u8,
    key: usize,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Enter(Caller),
    Wait(Caller),
    /// One of the permits that are out.
    Leave(usize),
    /// One of the offers.
    Claim(usize),
    /// One of those who wait or were offered something.
    Cancel(usize),
    EnvGone(usize),
    Limit(u32),
    Advance(Nanos),
}

fn caller() -> impl Strategy<Value = Caller> {
    (0..3_usize, prop_oneof![4 => Just(1_u32), 1 => 1..=4_u32], 0..=9_u8, 0..4_usize)
        .prop_map(|(env, weight, priority, key)| Caller { env, weight, priority, key })
}

fn op(longest: Nanos) -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => caller().prop_map(Op::Enter),
        8 => caller().prop_map(Op::Wait),
        8 => any::<usize>().prop_map(Op::Leave),
        6 => any::<usize>().prop_map(Op::Claim),
        3 => any::<usize>().prop_map(Op::Cancel),
        1 => (0..3_usize).prop_map(Op::EnvGone),
        1 => (1..=MOST).prop_map(Op::Limit),
        3 => (0..=longest).prop_map(Op::Advance),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Waiting,
    Offered,
    Running,
}

/// What a world knows of every call that is not over.
#[derive(Debug, Default)]
struct Calls {
    by_ticket: BTreeMap<Ticket, (Caller, State)>,
    /// Permits taken without a wait.
    entered: Vec<Caller>,
}

impl Calls {
    fn tickets(&self, such: impl Fn(State) -> bool) -> Vec<Ticket> {
        self.by_ticket.iter().filter(|(_, (_, state))| such(*state)).map(|(ticket, _)| *ticket).collect()
    }

    fn weight(&self, such: impl Fn(State) -> bool) -> u32 {
        self.by_ticket.values().filter(|(_, state)| such(*state)).map(|(caller, _)| caller.weight).sum()
    }

    fn in_use(&self) -> u32 {
        let entered: u32 = self.entered.iter().map(|caller| caller.weight).sum();
        entered + self.weight(|state| state != State::Waiting)
    }
}

struct World {
    bulkhead: OnClock<Bulkhead>,
    calls: Calls,
    limit: u32,
    /// Permits in use after what the last operation gave back, before others got them.
    left: u32,
    /// Tickets that the last operation gave up.
    forgotten: Vec<Ticket>,
}

impl World {
    fn new(order: &str, limit: u32, places: u32) -> Self {
        let options = Options {
            order: Some(order.into()),
            max_queue: Some(places.into()),
            ..Options::fixed(limit.into())
        };
        let rules = options.check().unwrap();
        let bulkhead = OnClock::new(|clock| Bulkhead::new(rules, clock));
        Self { bulkhead, calls: Calls::default(), limit, left: 0, forgotten: Vec::new() }
    }

    fn woken(&mut self, woken: &Woken) {
        for (gone, why) in &woken.refused {
            let (caller, state) = self.calls.by_ticket.remove(&gone.ticket).expect("it waits");
            // An offer may have been taken back meanwhile.
            assert!(ENVS[caller.env] == gone.env && state != State::Running, "{why:?}");
        }
        for offer in &woken.offers {
            let (caller, state) = self.calls.by_ticket.get_mut(&offer.ticket).expect("it waits");
            assert!(ENVS[caller.env] == offer.env && *state != State::Running);
            *state = State::Offered;
        }
    }

    fn freed(&mut self, freed: &Freed, env: EnvId) -> Option<Ticket> {
        self.woken(&freed.woken);
        let next = freed.next?;
        let (caller, state) = self.calls.by_ticket.get_mut(&next.ticket).expect("it waits");
        assert_eq!((ENVS[caller.env], caller.weight), (env, next.weight));
        assert!(*state != State::Running);
        *state = State::Running;
        Some(next.ticket)
    }

    /// Does it, and says what came of it in words that do not depend on tickets.
    fn apply(&mut self, op: Op) -> String {
        self.forgotten.clear();
        self.left = self.calls.in_use();
        let pick = |all: &[Ticket], at: usize| (!all.is_empty()).then(|| all[at % all.len()]);
        match op {
            Op::Enter(caller) => {
                let (entered, woken) = self.bulkhead.enter(ENVS[caller.env], caller.weight, caller.priority);
                self.woken(&woken);
                if entered {
                    self.calls.entered.push(caller);
                }
                format!("{entered}")
            }
            Op::Wait(caller) => {
                let key = [caller.key as u8];
                let wanted =
                    Wanted { weight: caller.weight, priority: caller.priority, key: &key, timeout: None };
                let (answer, woken) = self.bulkhead.wait(ENVS[caller.env], &wanted);
                if let Wait::Waiting { ticket, .. } = answer {
                    let before = self.calls.by_ticket.insert(ticket, (caller, State::Waiting));
                    assert_eq!(before.map(|_| ()), None, "a ticket of its own");
                }
                self.woken(&woken);
                match answer {
                    Wait::Granted => {
                        self.calls.entered.push(caller);
                        "granted".into()
                    }
                    Wait::Full => "full".into(),
                    Wait::Waiting { .. } => "waits".into(),
                }
            }
            Op::Leave(at) => {
                let running = self.calls.tickets(|state| state == State::Running);
                let entered = self.calls.entered.len();
                if entered + running.len() == 0 {
                    return String::new();
                }
                let at = at % (entered + running.len());
                let caller = if at < entered {
                    self.calls.entered.remove(at)
                } else {
                    self.calls.by_ticket.remove(&running[at - entered]).unwrap().0
                };
                self.left = self.calls.in_use();
                let freed = self.bulkhead.leave(ENVS[caller.env], caller.weight);
                format!("{:?}", self.freed(&freed, ENVS[caller.env]))
            }
            Op::Claim(at) => {
                let offered = self.calls.tickets(|state| state == State::Offered);
                let Some(ticket) = pick(&offered, at) else { return String::new() };
                let (caller, state) = self.calls.by_ticket.get_mut(&ticket).unwrap();
                let env = ENVS[caller.env];
                let weight = caller.weight;
                let (claimed, woken) = self.bulkhead.claim(env, ticket);
                match claimed {
                    Some(claimed) => {
                        assert_eq!(claimed, weight);
                        *state = State::Running;
                    }
                    None => *state = State::Waiting,
                }
                self.woken(&woken);
                format!("{claimed:?}")
            }
            Op::Cancel(at) => {
                let there = self.calls.tickets(|state| state != State::Running);
                let Some(ticket) = pick(&there, at) else { return String::new() };
                let (caller, _) = self.calls.by_ticket.remove(&ticket).unwrap();
                self.forgotten.push(ticket);
                self.left = self.calls.in_use();
                let woken = self.bulkhead.cancel(ENVS[caller.env], ticket);
                self.woken(&woken);
                String::new()
            }
            Op::EnvGone(env) => {
                let mine = |caller: &Caller| caller.env == env;
                let there = self.calls.tickets(|_| true);
                let mut held: u32 =
                    self.calls.entered.iter().filter(|caller| mine(caller)).map(|caller| caller.weight).sum();
                self.calls.entered.retain(|caller| !mine(caller));
                self.calls.by_ticket.retain(|_, (caller, state)| {
                    if mine(caller) && *state == State::Running {
                        held += caller.weight;
                    }
                    !mine(caller)
                });
                self.forgotten =
                    there.into_iter().filter(|it| !self.calls.by_ticket.contains_key(it)).collect();
                self.left = self.calls.in_use();
                let woken = self.bulkhead.env_gone(ENVS[env], held);
                self.woken(&woken);
                String::new()
            }
            Op::Limit(limit) => {
                let concurrency = Some(Concurrency::Fixed(limit.into()));
                let woken = self.bulkhead.reconfigure(&Change { concurrency, ..Change::default() }).unwrap();
                assert!(woken.refused.iter().all(|(_, why)| *why == Why::TooMuch));
                self.limit = limit;
                self.woken(&woken);
                String::new()
            }
            Op::Advance(by) => {
                self.bulkhead.pass(by);
                String::new()
            }
        }
    }
}

/// The same with a list that is looked through: fifo, lifo or by priority. It has no threads: who is served is served.
struct Naive {
    order: &'static str,
    limit: u32,
    places: usize,
    in_use: u32,
    /// Who waits, oldest first.
    line: Vec<(usize, Caller)>,
}

impl Naive {
    /// Where in the line the next to be served is.
    fn next(&self) -> Option<usize> {
        let last = self.line.len().checked_sub(1)?;
        match self.order {
            "lifo" => Some(last),
            "priority" => {
                let highest = self.line.iter().map(|(_, it)| it.priority).max()?;
                self.line.iter().position(|(_, it)| it.priority == highest)
            }
            _ => Some(0),
        }
    }

    /// Who has to go for a newcomer, if the line is full.
    fn victim(&self, newcomer: &Caller) -> Option<usize> {
        match self.order {
            "lifo" if !self.line.is_empty() => Some(0),
            "priority" => {
                let lowest = self.line.iter().map(|(_, it)| it.priority).min()?;
                let newest = self.line.iter().rposition(|(_, it)| it.priority == lowest);
                newest.filter(|_| lowest < newcomer.priority)
            }
            _ => None,
        }
    }

    /// A newcomer passes only who waits with a lower priority, where that is what counts.
    fn enter(&mut self, Caller { weight, priority, .. }: Caller) -> bool {
        let first =
            self.next().is_none_or(|next| self.order == "priority" && self.line[next].1.priority < priority);
        let fits = first && self.in_use + weight <= self.limit;
        self.in_use += if fits { weight } else { 0 };
        fits
    }

    /// The number of who has to go, and what the newcomer is told.
    fn wait(&mut self, id: usize, caller: Caller) -> (Option<usize>, &'static str) {
        if self.enter(caller) {
            return (None, "granted");
        }
        if caller.weight > self.limit || self.places == 0 {
            return (None, "full");
        }
        let mut gone = None;
        if self.line.len() >= self.places {
            let Some(victim) = self.victim(&caller) else { return (None, "full") };
            gone = Some(self.line.remove(victim).0);
        }
        self.line.push((id, caller));
        (gone, "waits")
    }

    fn serve(&mut self) -> Vec<usize> {
        let mut served = Vec::new();
        while let Some(next) = self.next() {
            let weight = self.line[next].1.weight;
            if self.in_use + weight > self.limit {
                break;
            }
            self.in_use += weight;
            served.push(self.line.remove(next).0);
        }
        served
    }
}

/// Everyone who is served goes on at once, so that the naive one needs no threads.
fn agrees(order: &'static str, limit: u32, places: u32, ops: &[Op]) {
    let mut world = World::new(order, limit, places);
    let mut naive = Naive { order, limit, places: places as usize, in_use: 0, line: Vec::new() };
    let mut ids: BTreeMap<Ticket, usize> = BTreeMap::new();
    for (id, op) in ops.iter().enumerate() {
        let waited = world.calls.tickets(|state| state == State::Waiting);
        let in_use = world.calls.in_use();
        let told = world.apply(*op);
        let (left, forgotten) = (world.left, world.forgotten.clone());
        while let Some(offered) = world.calls.tickets(|state| state == State::Offered).first() {
            let at = world.calls.tickets(|state| state == State::Offered).iter().position(|it| it == offered);
            world.apply(Op::Claim(at.unwrap()));
        }
        let running = world.calls.tickets(|state| state == State::Running);
        let waits = world.calls.tickets(|state| state == State::Waiting);
        let newest = waits.iter().chain(&running).find(|ticket| !ids.contains_key(ticket)).copied();
        let mut gone = Vec::new();
        match *op {
            Op::Enter(caller) => assert_eq!(told, format!("{}", naive.enter(caller)), "{op:?}"),
            Op::Wait(caller) => {
                let (victim, expected) = naive.wait(id, caller);
                assert_eq!(told, expected, "{op:?}");
                ids.extend(newest.map(|ticket| (ticket, id)));
                gone.extend(victim);
            }
            Op::Limit(limit) => {
                naive.limit = limit;
                gone.extend(naive.line.extract_if(.., |(_, it)| it.weight > limit).map(|(id, _)| id));
            }
            Op::Leave(_) => naive.in_use -= in_use - left,
            Op::Cancel(_) | Op::EnvGone(_) => {
                naive.in_use -= in_use - left;
                naive.line.retain(|(id, _)| !forgotten.iter().any(|ticket| ids.get(ticket) == Some(id)));
            }
            Op::Claim(_) | Op::Advance(_) => {}
        }
        let served = naive.serve();
        let mut gone_from_line: Vec<usize> = waited
            .iter()
            .filter(|ticket| !waits.contains(ticket) && !forgotten.contains(ticket))
            .map(|ticket| ids[ticket])
            .collect();
        let mut expected: Vec<usize> =
            served.iter().chain(&gone).copied().filter(|other| *other != id).collect();
        expected.sort_unstable();
        gone_from_line.sort_unstable();
        assert_eq!(gone_from_line, expected, "who has left the line after {op:?}");
        assert_eq!(world.calls.in_use(), naive.in_use, "{op:?}");
        assert_eq!(world.bulkhead.queued(), naive.line.len(), "{op:?}");
        ids.retain(|ticket, _| world.calls.by_ticket.contains_key(ticket));
    }
}

/// What holds whatever happens, with silent threads and in every order.
fn walks(order: &str, limit: u32, places: u32, ops: &[Op]) {
    let mut world = World::new(order, limit, places);
    for op in ops {
        let before = world.calls.in_use();
        world.apply(*op);
        let in_use = world.calls.in_use();
        let offered = world.calls.weight(|state| state == State::Offered);
        // Offers that were taken back are known of when they are claimed in vain.
        let active = world.bulkhead.active();
        assert!(active <= in_use && active >= in_use - offered, "{active} of {in_use} in use after {op:?}");
        assert!(active <= world.limit.max(before), "{active} of {} after {op:?}", world.limit);
        // Who was offered a permit and did not answer is back in the line, whether or not it is full.
        assert!(world.bulkhead.queued() <= places as usize + MOST as usize);
    }
    for (env, _) in ENVS.iter().enumerate() {
        world.apply(Op::EnvGone(env));
    }
    assert_eq!((world.bulkhead.active(), world.bulkhead.queued()), (0, 0));
    assert!(world.calls.by_ticket.is_empty(), "everyone has left");
    assert!(world.bulkhead.enter(1, 1, 5).0, "and it lets in again");
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn a_bulkhead_decides_as_a_list_that_is_looked_through(
        order in prop_oneof![Just("fifo"), Just("lifo"), Just("priority")],
        limit in 1..=5_u32,
        places in 0..=5_u32,
        ops in prop::collection::vec(op(OFFER_LASTS / 200), 1..80),
    ) {
        agrees(order, limit, places, &ops);
    }

    #[test]
    fn nothing_is_lost_granted_twice_or_left_waiting(
        order in prop_oneof![Just("fifo"), Just("lifo"), Just("priority"), Just("fair")],
        limit in 1..=5_u32,
        places in 0..=5_u32,
        ops in prop::collection::vec(op(2 * OFFER_LASTS), 1..120),
    ) {
        walks(order, limit, places, &ops);
    }
}
