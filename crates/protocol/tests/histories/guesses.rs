//! Somebody tries passwords, as fast as the buckets let them and at any other pace.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use remint_protocol::throttle::{Bucket, FORGET_AFTER, FailedAttempts, Limit};
use remint_protocol::time::Timestamp;

#[derive(Clone, Debug)]
enum Event {
    /// The guesser tries again and again, each time as soon as it may, and asks before its time
    /// whether it may not.
    Hurry {
        times: usize,
        impatience: u32,
    },
    /// It tries without asking whether it may.
    Try,
    Wait(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1..100usize, 1..4u32)
            .prop_map(|(times, impatience)| Event::Hurry { times, impatience }),
        2 => Just(Event::Try),
        2 => prop_oneof![0..10_000u64, 0..86_400_000u64, 0..200_000_000u64].prop_map(Event::Wait),
    ]
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// The most guesses that a day may let through.
fn bound(limit: Limit) -> usize {
    let doublings = limit.max_wait.as_secs().ilog2() + 1;
    let slow = FORGET_AFTER.as_secs() / limit.max_wait.as_secs();
    usize::try_from(u64::from(limit.free + doublings) + slow + 1).unwrap()
}

fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_pace_gets_more_than_a_days_guesses_out_of_a_bucket(
        history in prop::collection::vec(any_event(), 1..10),
    ) {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (pair, client) = (Bucket::AccountFrom("a", here), Bucket::ClientFrom("a", here));
        for bucket in [pair, client, Bucket::Account("a"), Bucket::Source(here)] {
            let mut guesser = Guesser::new(bucket.limit());
            for event in &history {
                guesser.happen(event);
            }
            guesser.check();
        }
    }
}

struct Guesser {
    limit: Limit,
    bucket: FailedAttempts,
    now: Timestamp,
    made: Vec<Timestamp>,
}

impl Guesser {
    fn new(limit: Limit) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Self { limit, bucket: FailedAttempts::default(), now, made: Vec::new() }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Hurry { times, impatience } => {
                for _ in 0..*times {
                    while let Some(wait) = self.limit.wait(&self.bucket, self.now) {
                        self.now = self.now.after((wait / *impatience).max(MILLISECOND));
                    }
                    self.guess();
                }
            }
            Event::Try => self.guess(),
            Event::Wait(millis) => self.now = self.now.after(Duration::from_millis(*millis)),
        }
    }

    /// A wrong guess, if the bucket lets it through.
    fn guess(&mut self) {
        if self.limit.wait(&self.bucket, self.now).is_none() {
            self.bucket = self.limit.count(&self.bucket, self.now);
            self.made.push(self.now);
        }
    }

    fn check(&self) {
        for (at, first) in self.made.iter().enumerate() {
            let day = &self.made[at..];
            let within = day.iter().take_while(|made| made.left(*first) < FORGET_AFTER).count();
            assert!(within <= bound(self.limit), "{within} guesses in a day");
        }
    }
}
