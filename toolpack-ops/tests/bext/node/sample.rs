//! An application to deploy: this test binary, started as a process of the node.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// What starts it.
pub(super) fn command() -> Vec<String> {
    let me = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let of = ["--exact", "bext::node::sample::serves", "--ignored", "--nocapture"];
    std::iter::once(me).chain(of.map(str::to_owned)).collect()
}

/// The application. It says its version; what it does besides is in its file `behaviour`.
#[test]
#[ignore = "run by the other tests as an application"]
fn serves() {
    let read = |name| std::fs::read_to_string(name).unwrap_or_default().trim().to_owned();
    let (version, behaviour) = (read("version"), read("behaviour"));
    if behaviour == "exits" {
        writeln!(std::io::stdout(), "\nno {version} today").unwrap();
        std::process::exit(3);
    }
    // What is in the way of an app after it was deployed, such as a database that is not there.
    if let Some(path) = behaviour.strip_prefix("needs ")
        && !std::path::Path::new(path).exists()
    {
        std::process::exit(4);
    }
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for stream in listener.incoming() {
        let (version, behaviour) = (version.clone(), behaviour.clone());
        std::thread::spawn(move || answer(&stream.unwrap(), &version, &behaviour));
    }
}

fn answer(stream: &TcpStream, version: &str, behaviour: &str) {
    let mut lines = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::new();
        while lines.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let (status, body) = match path {
            _ if behaviour == "sick" => ("500 Internal Server Error", "not well".to_owned()),
            "/pid" => ("200 OK", std::process::id().to_string()),
            "/environment" => ("200 OK", std::env::var(query).unwrap_or_default()),
            "/crash" => std::process::abort(),
            // Answers once there is a file of that name.
            "/wait" => {
                while !std::path::Path::new(query).exists() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                ("200 OK", version.to_owned())
            }
            _ => ("200 OK", version.to_owned()),
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = stream;
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
