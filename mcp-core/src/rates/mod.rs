//! How often callers may call: what a request costs, and whether its caller can afford it.

mod buckets;
mod clock;
mod memory;
mod store;
mod table;

use std::{collections::HashMap, hash::RandomState, net::IpAddr, sync::Arc};

use self::memory::MemoryRates;
pub use self::{
    buckets::{Bucket, Rates},
    store::{Charge, Charged, OverRate, RateOf, RateStore},
};
use crate::{caller::Caller, principal::Principal, protocol::error::RpcError};

/// What requests cost, and where that is taken from.
#[derive(Debug)]
pub(crate) struct Tolls {
    /// `None` where nothing is counted.
    store: Option<Arc<dyn RateStore>>,
    principal: Option<Bucket>,
    address: Option<Bucket>,
    /// Of tools that do not cost 1.
    costs: HashMap<String, u32>,
    keys: RandomState,
}

impl Tolls {
    /// Of these rates, kept in this store or, without one, in memory.
    pub(crate) fn new(rates: &Rates, store: Option<Arc<dyn RateStore>>) -> Arc<Self> {
        let is_counted = rates.principal.is_some() || rates.address.is_some();
        let keys = RandomState::new();
        let in_memory = || Arc::new(MemoryRates::new(rates, keys.clone()));
        Arc::new(Self {
            store: is_counted.then(|| store.unwrap_or_else(|| in_memory())),
            principal: rates.principal,
            address: rates.address,
            costs: rates.costs.clone().into_iter().collect(),
            keys,
        })
    }

    /// What callers are hashed under: all that counts them in a server does so under the same, so that one hash will do.
    pub(crate) fn keys(&self) -> &RandomState {
        &self.keys
    }

    /// Whether anything is counted.
    pub(crate) fn are_counted(&self) -> bool {
        self.store.is_some()
    }

    /// Whether tools cost anything but 1.
    pub(crate) fn is_priced(&self) -> bool {
        self.are_counted() && !self.costs.is_empty()
    }

    /// What a call of this tool costs, for who may know of it.
    pub(crate) fn of_tool(&self, name: &str) -> u32 {
        self.costs.get(name).copied().unwrap_or(1)
    }

    /// Takes what a request costs whose caller is known by this hash under our [`keys`](Self::keys).
    pub(crate) fn take(
        &self,
        (principal, hash): (&Principal, Option<u64>),
        peer: Option<IpAddr>,
        cost: u32,
    ) -> Charged {
        let charge = |store: &dyn RateStore, charges: &[Charge<'_>]| store.take(charges);
        self.with_charges(Some((principal, hash)), peer, cost, charge).unwrap_or(Charged::Now(Ok(())))
    }

    /// Takes what a request costs that cannot wait.
    pub(crate) fn take_now(
        &self,
        principal: &Principal,
        peer: Option<IpAddr>,
        cost: u32,
    ) -> Result<(), RpcError> {
        self.settle(self.take((principal, None), peer, cost))
    }

    /// Takes from an address alone.
    pub(crate) fn take_from_address(&self, peer: IpAddr, cost: u32) -> Result<(), RpcError> {
        let charge = |store: &dyn RateStore, charges: &[Charge<'_>]| store.take(charges);
        let charged = self.with_charges(None, Some(peer), cost, charge);
        self.settle(charged.unwrap_or(Charged::Now(Ok(()))))
    }

    /// Takes from what an address has for credentials that are no good.
    pub(crate) fn take_for_failure(&self, peer: IpAddr) -> Result<(), RpcError> {
        let Some((store, bucket)) = self.store.as_deref().zip(self.address) else { return Ok(()) };
        let caller = Caller::from_address(peer);
        self.settle(store.take(&[Charge { of: RateOf::Failure, caller, bucket, cost: 1, key: None }]))
    }

    /// Whether a request could be paid for, as far as that is known.
    pub(crate) fn look(&self, principal: Option<&Principal>, peer: Option<IpAddr>) -> Result<(), RpcError> {
        let principal = principal.map(|principal| (principal, None));
        let looked = self.with_charges(principal, peer, 1, |store, charges| store.look(charges));
        looked.unwrap_or(Ok(())).map_err(|over_rate| self.refusal(over_rate))
    }

    /// The error that says so.
    pub(crate) fn refusal(&self, OverRate { of, retry_after }: OverRate) -> RpcError {
        let (whose, bucket) = match of {
            RateOf::Principal => ("one caller", self.principal),
            RateOf::Address => ("one address", self.address),
            RateOf::Failure => {
                let what = "Too many credentials from this address were no good";
                return RpcError::too_many_calls(
                    format!("{what}; try again in {retry_after:.1?}"),
                    retry_after,
                );
            }
        };
        let rate = bucket.map_or_else(String::new, |bucket| {
            format!(": {whose} may make {} at once, and {} a minute", bucket.calls, bucket.per_minute)
        });
        RpcError::too_many_calls(format!("Too many calls{rate}; try again in {retry_after:.1?}"), retry_after)
    }

    fn settle(&self, charged: Charged) -> Result<(), RpcError> {
        match charged {
            Charged::Now(taken) => taken.map_err(|over_rate| self.refusal(over_rate)),
            Charged::Later(taking) => {
                // What it finds is known to the store when the next request comes.
                tokio::spawn(taking);
                Ok(())
            }
        }
    }

    /// Does something with what a request takes, if that is anything.
    fn with_charges<T>(
        &self,
        principal: Option<(&Principal, Option<u64>)>,
        peer: Option<IpAddr>,
        cost: u32,
        act: impl FnOnce(&dyn RateStore, &[Charge<'_>]) -> T,
    ) -> Option<T> {
        let store = self.store.as_deref().filter(|_| cost > 0)?;
        let key = principal.and_then(|(_, key)| key);
        let caller = principal.map(|(principal, _)| Caller::of(principal, peer));
        if caller.is_some_and(|caller| caller.is_local()) {
            return None;
        }
        let of_principal = self.principal.zip(caller).map(|(bucket, caller)| Charge {
            of: RateOf::Principal,
            caller,
            bucket,
            cost,
            key,
        });
        let of_address = self.address.zip(peer).map(|(bucket, peer)| {
            let address = Caller::from_address(peer);
            // Whoever goes by its address has one hash for both.
            let key = key.filter(|_| caller == Some(address));
            Charge { of: RateOf::Address, caller: address, bucket, cost, key }
        });
        match (of_principal, of_address) {
            (Some(principal), Some(address)) => Some(act(store, &[principal, address])),
            (Some(charge), None) | (None, Some(charge)) => Some(act(store, &[charge])),
            (None, None) => None,
        }
    }
}
