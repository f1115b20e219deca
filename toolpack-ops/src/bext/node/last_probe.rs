//! What the last check of an instance found, kept for those who need no new one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bext::engine::HealthReport;

/// What the last check of an instance found.
#[derive(Debug, Default)]
pub(crate) struct LastProbe(Mutex<Option<(HealthReport, Instant)>>);

impl LastProbe {
    /// What a check found that is no older than this.
    pub(crate) fn within(&self, age: Duration) -> Option<HealthReport> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(_, at)| at.elapsed() <= age).map(|(report, _)| report.clone())
    }

    pub(crate) fn set(&self, report: HealthReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((report, Instant::now()));
    }
}
