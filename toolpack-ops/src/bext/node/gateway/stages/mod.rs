//! The stages before the proxy, one in each file. Each is a layer of tower; [`stack`](super::stack) has their
//! order.

mod answer;
mod count;
mod health;
mod lead;
mod limit;

pub(super) use self::count::{Count, CountLayer, Counted};
pub(super) use self::health::{Health, HealthLayer};
pub(super) use self::lead::{Lead, LeadLayer};
pub(super) use self::limit::{Limit, LimitLayer};
