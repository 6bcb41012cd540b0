//! The generic cell rate algorithm held to another implementation of it: the `governor` crate.

use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
use proptest::prelude::*;
use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};
use vestibule_core::{
    limit::{Level, Rate, Rule, RuleOptions, Tally},
    time::Timestamp,
};

/// One unit each so many milliseconds: a rate that both can keep without rounding.
fn rule(interval_ms: u64, burst: u32) -> Rule {
    Rule::new(RuleOptions {
        burst: Some(burst.into()),
        ..RuleOptions::new("governor", Level::Custom, Rate { count: 1, period: Duration::from_millis(interval_ms) })
    })
    .expect("a rule")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// L1: the same requests at the same times are allowed by both, whatever they cost.
    #[test]
    fn it_allows_what_governor_allows(
        interval_ms in 1_u64..5_000,
        burst in 1_u32..50,
        requests in prop::collection::vec((0_u64..20_000, 1_u32..60), 1..200),
    ) {
        let clock = FakeRelativeClock::default();
        let interval = Duration::from_nanos(NonZeroU64::new(interval_ms * 1_000_000).expect("not zero").get());
        let quota = Quota::with_period(interval).expect("an interval").allow_burst(NonZeroU32::new(burst).expect("not zero"));
        let theirs = RateLimiter::direct_with_clock(quota, clock.clone());
        let rule = rule(interval_ms, burst);
        let numbers = rule.numbers();
        let mut now = Timestamp::from_millis(1_800_000_000_000);
        let mut ours = Tally::new(numbers, now);
        for (wait_ms, cost) in requests {
            clock.advance(Duration::from_millis(wait_ms));
            now = now.plus_ms(wait_ms);
            ours = ours.at(numbers, now);
            let cost = NonZeroU32::new(cost).expect("not zero");
            let units = u64::from(cost.get());
            let allowed = units <= numbers.limit && ours.wait_ms(numbers, units, now) == 0;
            if allowed {
                ours.take(numbers, units, now);
            }
            let governor = matches!(theirs.check_n(cost), Ok(Ok(())));
            prop_assert_eq!(allowed, governor, "{} units at {:?}, left {}", units, now, ours.remaining(numbers, now));
        }
    }
}
