//! The buckets of one process, counted by governor over a table of a fixed size.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{Quota, RateLimiter, middleware::NoOpMiddleware};

use super::{
    buckets::{Bucket, Rates},
    clock::{Clock, Standing, Ticks},
    store::{Charge, Charged, OverRate, RateOf, RateStore},
    table::{Store, Table, Visit},
};

/// Buckets in memory. Their sizes are those of the rates that it is made for, as are those of the charges it is given.
#[derive(Debug)]
pub(super) struct MemoryRates {
    principals: Option<Buckets>,
    addresses: Option<Buckets>,
    failures: Option<Buckets>,
    /// So that nobody outside can choose callers that are taken for others, or that share one set of slots.
    keys: RandomState,
    clock: Clock,
    /// Until when somebody who was refused lately may still lack calls: before anybody was, and after, there is nothing to
    /// look for.
    short_until: AtomicU64,
}

#[derive(Debug)]
struct Buckets {
    limiter: RateLimiter<Visit, Store, Standing, NoOpMiddleware<Ticks>>,
    table: Arc<Table>,
    /// How long it takes to gain one call, in nanoseconds.
    interval: u64,
    /// How far ahead of now a bucket may be full that still holds one.
    tolerance: u64,
}

impl Buckets {
    fn new(bucket: Bucket, callers: usize) -> Option<Self> {
        let calls = NonZero::new(bucket.calls)?;
        let quota = Quota::per_minute(NonZero::new(bucket.per_minute)?).allow_burst(calls);
        let interval = u64::try_from(quota.replenish_interval().as_nanos()).unwrap_or(u64::MAX).max(1);
        let table = Table::new(callers);
        Some(Self {
            limiter: RateLimiter::new(quota, Store(Arc::clone(&table)), Standing),
            table,
            interval,
            tolerance: interval.saturating_mul(u64::from(bucket.calls) - 1),
        })
    }

    /// Takes so much, or says after what time it could be taken.
    fn take(&self, visit: Visit, cost: u32) -> Result<(), Duration> {
        let Some(cost) = NonZero::new(cost) else { return Ok(()) };
        match self.limiter.check_key_n(&visit, cost) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(governor::clock::Clock::now(&Standing))),
            // More than it ever holds, which is refused at the start.
            Err(_) => Err(Duration::from_nanos(self.tolerance.saturating_add(self.interval))),
        }
    }

    fn give_back(&self, visit: Visit, cost: u32) {
        self.table.give_back(visit, self.interval.saturating_mul(u64::from(cost)));
    }

    /// As of [`take`](Self::take), without taking.
    fn look(&self, visit: Visit, cost: u32) -> Result<(), Duration> {
        let more = self.interval.saturating_mul(u64::from(cost.saturating_sub(1)));
        let earliest = self.table.full_at(visit).saturating_add(more).saturating_sub(self.tolerance);
        if visit.now < earliest { Err(Duration::from_nanos(earliest - visit.now)) } else { Ok(()) }
    }
}

impl MemoryRates {
    /// With the keys that callers are hashed under everywhere in the server.
    pub(super) fn new(rates: &Rates, keys: RandomState) -> Self {
        let buckets = |bucket: Option<Bucket>| Buckets::new(bucket?, rates.remembered);
        Self {
            principals: buckets(rates.principal),
            addresses: buckets(rates.address),
            failures: buckets(rates.address),
            keys,
            clock: Clock::new(),
            short_until: AtomicU64::new(0),
        }
    }

    fn buckets(&self, of: RateOf) -> Option<&Buckets> {
        match of {
            RateOf::Principal => self.principals.as_ref(),
            RateOf::Address => self.addresses.as_ref(),
            RateOf::Failure => self.failures.as_ref(),
        }
    }

    /// Whose bucket a charge is of, at this time.
    fn visit(&self, charge: &Charge<'_>, now: u64) -> Visit {
        Visit { caller: charge.key.unwrap_or_else(|| self.keys.hash_one(charge.caller)), now }
    }

    fn take_one(&self, charge: &Charge<'_>, visit: Visit) -> Result<(), OverRate> {
        let Some(buckets) = self.buckets(charge.of) else { return Ok(()) };
        buckets.take(visit, charge.cost).map_err(|retry_after| {
            let nanos = u64::try_from(retry_after.as_nanos()).unwrap_or(u64::MAX);
            // Of failures nobody looks beforehand, and they must not make others look.
            if charge.of != RateOf::Failure {
                self.short_until.fetch_max(visit.now.saturating_add(nanos), Ordering::Relaxed);
            }
            OverRate { of: charge.of, retry_after }
        })
    }
}

impl RateStore for MemoryRates {
    fn take(&self, charges: &[Charge<'_>]) -> Charged {
        let now = self.clock.nanos();
        for (taken, charge) in charges.iter().enumerate() {
            if let Err(over_rate) = self.take_one(charge, self.visit(charge, now)) {
                for charge in &charges[..taken] {
                    if let Some(buckets) = self.buckets(charge.of) {
                        buckets.give_back(self.visit(charge, now), charge.cost);
                    }
                }
                return Charged::Now(Err(over_rate));
            }
        }
        Charged::Now(Ok(()))
    }

    fn look(&self, charges: &[Charge<'_>]) -> Result<(), OverRate> {
        let short_until = self.short_until.load(Ordering::Relaxed);
        if short_until == 0 {
            return Ok(());
        }
        let now = self.clock.nanos();
        if short_until <= now {
            // Unless somebody was refused this very moment.
            _ = self.short_until.compare_exchange(short_until, 0, Ordering::Relaxed, Ordering::Relaxed);
            return Ok(());
        }
        for charge in charges {
            let Some(buckets) = self.buckets(charge.of) else { continue };
            buckets
                .look(self.visit(charge, now), charge.cost)
                .map_err(|retry_after| OverRate { of: charge.of, retry_after })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        sync::atomic::Ordering,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::caller::Caller;

    fn charge(of: RateOf, caller: Caller<'_>, bucket: Bucket, cost: u32) -> Charge<'_> {
        Charge { of, caller, bucket, cost, key: None }
    }

    fn memory(rates: &Rates) -> MemoryRates {
        MemoryRates::new(rates, RandomState::new())
    }

    fn take(rates: &MemoryRates, charges: &[Charge<'_>]) -> Result<(), OverRate> {
        match rates.take(charges) {
            Charged::Now(taken) => taken,
            Charged::Later(_) => panic!("memory answers at once"),
        }
    }

    fn address(number: u32) -> Caller<'static> {
        Caller::from_address(Ipv4Addr::from_bits(number).into())
    }

    fn from_address(number: u32, bucket: Bucket) -> [Charge<'static>; 1] {
        [charge(RateOf::Address, address(number), bucket, 1)]
    }

    const SMALL: Bucket = Bucket::new(3, 60);

    #[tokio::test(start_paused = true)]
    async fn from_100_000_addresses_no_more_is_remembered_than_there_is_room_for() {
        let room = 8_192;
        let rates = memory(&Rates::off().per_address(SMALL).remember(room));
        let table = &rates.addresses.as_ref().unwrap().table;
        assert_eq!(table.room(), room);
        let mut served = 0;
        for number in 0..100_000 {
            served += usize::from(take(&rates, &from_address(number, SMALL)).is_ok());
        }
        let remembered = table.remembered(rates.clock.nanos());
        assert!(remembered <= room && remembered > room * 9 / 10, "{remembered} of {room}");
        // Those without a slot share some buckets, and get what these hold and no more.
        let shared = 64 * 8 * SMALL.calls as usize;
        assert!((room * 9 / 10..=room + shared).contains(&served), "{served} were served");
        // Once buckets are full, theirs are slots for others.
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(table.remembered(rates.clock.nanos()), 0);
        for number in 200_000..201_000 {
            take(&rates, &from_address(number, SMALL)).unwrap();
        }
        assert_eq!(table.remembered(rates.clock.nanos()), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_a_slot_keeps_it_whoever_else_comes() {
        let rates = memory(&Rates::off().per_address(SMALL).remember(256));
        for _ in 0..3 {
            take(&rates, &from_address(7, SMALL)).unwrap();
        }
        for number in 1_000..50_000 {
            _ = take(&rates, &from_address(number, SMALL));
        }
        let over_rate = take(&rates, &from_address(7, SMALL)).unwrap_err();
        assert_eq!(over_rate, OverRate { of: RateOf::Address, retry_after: Duration::from_secs(1) });
    }

    /// Slots that are looked at for one call of a known caller and one of a new one.
    fn looks(room: usize, callers: u32) -> usize {
        let rates = memory(&Rates::off().per_address(SMALL).remember(room));
        for number in 1..callers {
            _ = take(&rates, &from_address(number, SMALL));
        }
        let table = &rates.addresses.as_ref().unwrap().table;
        let before = table.looked_at.load(Ordering::Relaxed);
        _ = take(&rates, &from_address(1, SMALL));
        _ = take(&rates, &from_address(callers, SMALL));
        table.looked_at.load(Ordering::Relaxed) - before
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_costs_the_same_however_many_strangers_are_remembered() {
        let few = looks(131_072, 2);
        assert_eq!(few, 2 * 16);
        assert_eq!(looks(131_072, 10_000), few);
        assert_eq!(looks(1 << 20, 1_000_000), few);
        // Also where there is no room left.
        assert_eq!(looks(1_024, 100_000), few);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_is_charged_with_the_others_or_not_at_all() {
        let large = Bucket::new(5, 60);
        let rates = memory(&Rates::off().per_principal(large).per_address(SMALL));
        let both = |cost| {
            [
                charge(RateOf::Principal, address(1), large, cost),
                charge(RateOf::Address, address(1), SMALL, cost),
            ]
        };
        take(&rates, &both(3)).unwrap();
        for _ in 0..100 {
            let over_rate = take(&rates, &both(2)).unwrap_err();
            let retry_after = Duration::from_secs(2);
            assert_eq!(over_rate, OverRate { of: RateOf::Address, retry_after });
        }
        // The principal's own was given back each time.
        take(&rates, &both(2)[..1]).unwrap();
        let over_rate = take(&rates, &both(1)[..1]).unwrap_err();
        assert_eq!(over_rate, OverRate { of: RateOf::Principal, retry_after: Duration::from_secs(1) });
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_looked_for_while_nobody_lacks_anything() {
        let rates = memory(&Rates::off().per_address(SMALL));
        let looked_at = || rates.addresses.as_ref().unwrap().table.looked_at.load(Ordering::Relaxed);
        for _ in 0..3 {
            take(&rates, &from_address(1, SMALL)).unwrap();
        }
        let before = looked_at();
        rates.look(&from_address(1, SMALL)).unwrap();
        assert_eq!(looked_at(), before);
        let refused = take(&rates, &from_address(1, SMALL)).unwrap_err();
        assert_eq!(rates.look(&from_address(1, SMALL)), Err(refused));
        rates.look(&from_address(2, SMALL)).unwrap();
        tokio::time::advance(refused.retry_after).await;
        let before = looked_at();
        rates.look(&from_address(1, SMALL)).unwrap();
        assert_eq!(looked_at(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_customer_share_a_bucket() {
        let rates = memory(&Rates::off().per_address(SMALL));
        let from = |host: u128| {
            let peer = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + host));
            take(&rates, &[charge(RateOf::Address, Caller::from_address(peer), SMALL, 1)])
        };
        assert_eq!((0..1_000_u128).filter(|host| from(*host).is_ok()).count(), 3);
        from(1 << 64).unwrap();
    }

    #[tokio::test]
    async fn the_largest_buckets_do_not_overflow() {
        for bucket in [Bucket::new(Bucket::MAX_CALLS, 1), Bucket::new(1, u32::MAX), Bucket::new(1, 1)] {
            let rates = memory(&Rates::off().per_principal(bucket));
            let whole = [charge(RateOf::Principal, address(1), bucket, bucket.calls)];
            take(&rates, &whole).unwrap();
            _ = take(&rates, &whole);
            _ = rates.look(&whole);
        }
    }

    /// A bucket as anybody would write it, with time in whole intervals.
    struct Plain {
        held: u64,
    }

    proptest! {
        #[test]
        fn it_counts_as_a_plain_bucket_would(
            steps in prop::collection::vec((0..4_u64, 1..=5_u32), 1..80),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(async {
                let bucket = Bucket::new(5, 60);
                let rates = memory(&Rates::off().per_principal(bucket));
                let mut plain = Plain { held: 5 };
                for (seconds, cost) in steps {
                    tokio::time::advance(Duration::from_secs(seconds)).await;
                    plain.held = (plain.held + seconds).min(5);
                    let charges = [charge(RateOf::Principal, address(1), bucket, cost)];
                    let expected = match plain.held.checked_sub(cost.into()) {
                        Some(left) => {
                            plain.held = left;
                            Ok(())
                        }
                        None => {
                            let retry_after = Duration::from_secs(u64::from(cost) - plain.held);
                            Err(OverRate { of: RateOf::Principal, retry_after })
                        }
                    };
                    let looked = rates.look(&charges);
                    prop_assert_eq!(take(&rates, &charges), expected);
                    // Whoever looks sees a refusal once there was one, and never one where there would be none.
                    prop_assert!(looked == expected || looked.is_ok());
                    if expected.is_err() {
                        prop_assert_eq!(rates.look(&charges), expected);
                    }
                }
                Ok(())
            })?;
        }
    }
}
