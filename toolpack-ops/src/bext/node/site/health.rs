//! Whether a new site is well: the path that its manifest names is answered, before anybody is led to it.

use std::fmt;
use std::time::Duration;

use http::{Request, StatusCode};

use super::Site;

/// Why a site is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwell {
    path: String,
    /// None if it was not answered in time.
    status: Option<StatusCode>,
}

impl Site {
    /// Asks for a path as a visitor would, though not over the network. It has to be answered with 2xx or 3xx.
    pub(crate) async fn check(&self, path: &str, timeout: Duration) -> Result<(), Unwell> {
        let answered = async {
            // What is no path to HTTP, no visitor gets an answer to either.
            let Ok(request) = Request::get(path).body(()) else { return StatusCode::BAD_REQUEST };
            self.answer(&request.into_parts().0).await.status()
        };
        let status = tokio::time::timeout(timeout, answered).await.ok();
        match status {
            Some(status) if status.is_success() || status.is_redirection() => Ok(()),
            status => Err(Unwell { path: path.to_owned(), status }),
        }
    }
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, status } = self;
        match status {
            Some(status) => write!(f, "GET {path} was answered with {}", status.as_u16())?,
            None => write!(f, "GET {path} was not answered in time")?,
        }
        f.write_str("; health.path in bext.app.toml names a file of the site, or is left out")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_site_is_well_that_answers_its_path() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("docs")).unwrap();
        fs::write(root.path().join("docs/index.html"), "docs").unwrap();
        fs::write(root.path().join("404.html"), "no such page").unwrap();
        let site = Site::open(root.path().to_owned()).unwrap();
        let check = async |path: &str| site.check(path, Duration::from_secs(60)).await;
        for path in ["/docs/", "/docs/index.html?deep=1", "/docs"] {
            assert_eq!(check(path).await, Ok(()), "{path}");
        }
        for (path, status) in [("/", 404), ("/up", 404), ("/docs/../..", 404), ("/%zz", 400), ("/<", 400)] {
            let said = check(path).await.unwrap_err().to_string();
            assert!(said.starts_with(&format!("GET {path} was answered with {status};")), "{said}");
        }
    }
}
