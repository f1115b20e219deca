//! Why a server refuses to start.

use std::fmt;

/// One thing that is wrong with what was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    subject: String,
    why: String,
}

impl Problem {
    pub(crate) fn new(subject: impl Into<String>, why: impl Into<String>) -> Self {
        Self { subject: subject.into(), why: why.into() }
    }

    /// What it concerns, such as "tool `deploy`".
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.why)
    }
}

impl std::error::Error for Problem {}

/// Everything that is wrong with what was registered, so that it can be put right in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    problems: Vec<Problem>,
}

impl BuildError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Each problem, in order of registration.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server cannot start")?;
        self.problems.iter().try_for_each(|problem| write!(f, "; {problem}"))
    }
}

impl std::error::Error for BuildError {}

/// What clients of every revision and model vendor take as a name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_allowed) {
        return Err("a name is 1 to 64 of the characters A-Z a-z 0-9 _ - .".to_owned());
    }
    Ok(())
}
