//! The file of a Unix socket: whose it is, what it takes the place of, and when it goes.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
};

use mcp_transport_stdio::{ServeError, SocketServer, Sockets};
use serde_json::json;

use crate::{
    client::{TestServer, socket_path, text},
    tools,
};

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_goes_with_its_server() {
    let mut server = TestServer::unix(Sockets::new()).await;
    let path = server.path().to_owned();
    assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.address.to_string(), format!("unix:{}", path.display()));
    server.end();
    server.ended().await;
    assert!(!path.exists());
    // One that never ran removes it as well.
    let bound = SocketServer::bind_unix(tools::server().0, &path).await.unwrap();
    assert!(path.exists());
    drop(bound);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_dead_server_is_replaced() {
    let (_directory, path) = socket_path();
    // The standard library leaves the file where it is.
    drop(UnixListener::bind(&path).unwrap());
    assert!(UnixStream::connect(&path).is_err());
    let _bound = SocketServer::bind_unix(tools::server().0, &path).await.unwrap();
    assert!(UnixStream::connect(&path).is_ok());
}

#[tokio::test]
async fn the_socket_of_a_live_server_is_left_to_it() {
    let server = TestServer::unix(Sockets::new()).await;
    let refused = SocketServer::bind_unix(tools::server().0, server.path()).await.unwrap_err();
    assert!(matches!(&refused, ServeError::SocketInUse(path) if path == server.path()), "{refused}");
    assert_eq!(text(&server.connect().await.call("echo", json!({"message": "still"})).await), "still");
}

#[tokio::test]
async fn a_live_server_that_accepts_nobody_just_now_is_no_dead_one() {
    let (_directory, path) = socket_path();
    let listener = rustix_listener(&path);
    // Nobody accepts, so that the queue is full sooner or later.
    let mut waiting = Vec::new();
    loop {
        match tokio::net::UnixStream::connect(&path).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                break;
            }
        }
    }
    let refused = SocketServer::bind_unix(tools::server().0, &path).await.unwrap_err();
    assert!(matches!(&refused, ServeError::SocketInUse(_)), "{refused}");
    drop(listener);
}

fn rustix_listener(path: &std::path::Path) -> tokio::net::UnixListener {
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(path).unwrap();
    socket.listen(1).unwrap()
}

#[tokio::test]
async fn whatever_else_is_there_is_never_removed() {
    let (directory, path) = socket_path();
    let target = directory.path().join("target");
    let dead = directory.path().join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    let make: [(&str, &dyn Fn()); 5] = [
        ("a file", &|| fs::write(&path, "precious").unwrap()),
        ("a directory", &|| fs::create_dir(&path).unwrap()),
        ("a link to nothing", &|| symlink(&target, &path).unwrap()),
        ("a link to a dead socket", &|| symlink(&dead, &path).unwrap()),
        ("a socket of another kind", &|| drop(UnixDatagram::bind(&path).unwrap())),
    ];
    for (what, make) in make {
        make();
        let before = fs::symlink_metadata(&path).unwrap().ino();
        let bound = SocketServer::bind_unix(tools::server().0, &path).await;
        if what == "a socket of another kind" {
            // Of a dead one nothing tells what kind it was.
            drop(bound.unwrap());
            continue;
        }
        let refused = bound.unwrap_err();
        assert!(matches!(&refused, ServeError::NotASocket(_)), "{what}: {refused}");
        assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), before, "{what}");
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
    }
    assert!(dead.symlink_metadata().is_ok());
}

#[tokio::test]
async fn a_file_that_another_put_in_its_place_is_left_alone() {
    let mut server = TestServer::unix(Sockets::new()).await;
    let path = server.path().to_owned();
    fs::remove_file(&path).unwrap();
    let successor = SocketServer::bind_unix(tools::server().0, &path).await.unwrap();
    server.end();
    server.ended().await;
    assert!(path.exists());
    drop(successor);
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_begin_at_once_in_place_of_a_dead_one_exactly_one_listens() {
    for _ in 0..20 {
        let (_directory, path) = socket_path();
        drop(UnixListener::bind(&path).unwrap());
        let endpoint = tools::server().0.build().unwrap();
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let (endpoint, path) = (endpoint.clone(), path.clone());
                tokio::spawn(async move { SocketServer::bind_unix(&endpoint, &path).await })
            })
            .collect();
        let mut listening = Vec::new();
        for server in starting {
            match server.await.unwrap() {
                Ok(server) => listening.push(server),
                Err(refused) => assert!(matches!(refused, ServeError::SocketInUse(_)), "{refused}"),
            }
        }
        assert_eq!(listening.len(), 1);
        // And it is the one whose socket is there.
        assert!(UnixStream::connect(&path).is_ok());
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_is_named() {
    let (directory, _) = socket_path();
    for path in [directory.path().join("none/s"), directory.path().join("x".repeat(200))] {
        let refused = SocketServer::bind_unix(tools::server().0, &path).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("no socket can be made at {}", path.display()));
    }
}
