//! The audit log of a data directory: kept while it is served, looked at from the command line.

use std::{io::Write, path::Path};

use toolpack::{
    AuditMode,
    audit::{AuditConfig, AuditLog, Head, Verify, tail},
};

use crate::{
    Failure,
    args::{AuditArg, AuditCommand, AuditTask},
};

/// Where in a data directory the log is.
const DIRECTORY: &str = "audit";

/// The log to keep, if one is to be kept.
pub(crate) fn log(data: &Path, wanted: AuditArg) -> Result<Option<AuditLog>, Failure> {
    let mode = match wanted {
        AuditArg::Off => return Ok(None),
        AuditArg::BestEffort => AuditMode::BestEffort,
        AuditArg::Required => AuditMode::Required,
    };
    Ok(Some(AuditLog::open(AuditConfig::new(data.join(DIRECTORY)).mode(mode))?))
}

/// Does what the command line says; a log that is not whole is an error.
pub(crate) fn run(task: &AuditTask, out: &mut impl Write) -> Result<(), Failure> {
    let directory = task.data.join(DIRECTORY);
    match &task.command {
        AuditCommand::Verify { head } => {
            let mut verify = Verify::new(&directory);
            if let Some(head) = head {
                let head: Head = head.parse().map_err(|error| format!("--head {head}: {error}"))?;
                verify = verify.expecting(head);
            }
            let report = verify.run()?;
            writeln!(out, "{report}")?;
            if report.is_whole() { Ok(()) } else { Err("the audit log is not whole".into()) }
        }
        AuditCommand::Tail { records, is_short } => {
            for record in tail(&directory, *records)? {
                if *is_short {
                    writeln!(out, "{record}")?;
                } else {
                    writeln!(out, "{}", record.to_printable_json())?;
                }
            }
            Ok(())
        }
    }
}
