//! nginx as a reverse proxy of one application, where it is installed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::visitors::{self, Target};
use crate::Problem;

/// A running nginx with one worker.
pub(super) struct Nginx {
    process: Child,
    address: String,
}

impl Nginx {
    /// Starts one before this application; none if it is not installed.
    pub(super) fn start(scratch: &Path, upstream: &str) -> Result<Option<Self>, Problem> {
        if Command::new("nginx").arg("-v").output().is_err() {
            return Ok(None);
        }
        let port = super::free_port()?;
        let folder = scratch.join("nginx");
        fs::create_dir(&folder).map_err(|error| error.to_string())?;
        // As one would set it for speed: connections are kept on both sides, and nothing is written to a log.
        let configuration = format!(
            "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;\n\
             fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;\n\
             upstream app {{ server {upstream}; keepalive 64; keepalive_requests 1000000; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $host;\n\
             proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; }} }} }}\n",
            folder.display()
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration).map_err(|error| error.to_string())?;
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("nginx does not start: {error}"))?;
        let nginx = Self { process, address: format!("127.0.0.1:{port}") };
        visitors::wait_for(&nginx.target(), Duration::from_secs(10))?;
        Ok(Some(nginx))
    }

    pub(super) fn target(&self) -> Target {
        Target { address: self.address.clone(), host: "app.localhost".to_owned(), path: "/version" }
    }

    /// Its processes.
    pub(super) fn processes(&self) -> Result<Vec<u32>, Problem> {
        let master = self.process.id();
        let file = format!("/proc/{master}/task/{master}/children");
        let children = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        Ok(children.split_whitespace().filter_map(|child| child.parse().ok()).chain([master]).collect())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to, it takes its worker along.
        let ended = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(process) = ended {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}
