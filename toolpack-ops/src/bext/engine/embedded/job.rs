//! One piece of blocking work: until when it may run, and who decides whether it commits.
//!
//! A job is `RUNNING` until exactly one of three things happens to it: it begins to commit, its time is over, or its
//! caller goes away. So a caller that was told of a time-out, or that left, knows that nothing will be kept, and a
//! commit that has begun is never interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

const RUNNING: u8 = 0;
const COMMITTING: u8 = 1;
const TIMED_OUT: u8 = 2;
const CANCELLED: u8 = 3;

#[derive(Debug)]
pub(super) struct Job {
    state: AtomicU8,
    limit: Duration,
    deadline: Instant,
}

impl Job {
    pub(super) fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(RUNNING), limit, deadline: Instant::now() + limit })
    }

    /// Whether the work must end now; asked by SQLite every few thousand steps.
    pub(super) fn should_stop(&self) -> bool {
        if Instant::now() >= self.deadline {
            self.time_out();
        }
        self.state.load(Ordering::SeqCst) > COMMITTING
    }

    /// From here on the work is kept, unless it was ended before.
    pub(super) fn begin_commit(&self) -> Result<(), Error> {
        if self.should_stop() || !self.leave_running(COMMITTING) {
            return Err(self.ended());
        }
        Ok(())
    }

    /// Ends the work for its time; false if it has begun to commit.
    pub(super) fn time_out(&self) -> bool {
        self.leave_running(TIMED_OUT)
    }

    /// Why the work was ended.
    pub(super) fn ended(&self) -> Error {
        if self.state.load(Ordering::SeqCst) == CANCELLED {
            return Error::new(
                ErrorKind::Cancelled,
                "cancelled",
                "the caller went away; nothing was changed",
            );
        }
        let limit = self.limit.as_secs_f64();
        let message = format!("the statement was ended after its limit of {limit} s; nothing was changed");
        Error::new(ErrorKind::TimedOut, "statement_timeout", message)
    }

    fn leave_running(&self, to: u8) -> bool {
        self.state.compare_exchange(RUNNING, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Ends the job when the future that waits for it is dropped; does nothing to a job that is done.
#[derive(Debug)]
pub(super) struct CancelOnDrop(pub(super) Arc<Job>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.leave_running(CANCELLED);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn a_cancelled_job_does_not_commit() {
        let job = Job::new(Duration::from_secs(60));
        drop(CancelOnDrop(job.clone()));
        assert!(job.should_stop());
        assert_eq!(job.begin_commit().unwrap_err().kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn a_commit_that_has_begun_is_not_ended() {
        let job = Job::new(Duration::from_secs(60));
        job.begin_commit().unwrap();
        assert!(!job.time_out());
        drop(CancelOnDrop(job.clone()));
        assert!(!job.should_stop());
    }

    #[test]
    fn a_late_job_does_not_commit() {
        let job = Job::new(Duration::ZERO);
        let error = job.begin_commit().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, "statement_timeout"));
    }
}
