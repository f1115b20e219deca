//! Who is served, and as whom.

use mcp_core::{Principal, TransportKind};
use mcp_transport_stdio::{ServeError, SocketServer, Sockets, Stdio};
use serde_json::json;

use crate::{
    client::{Client, TestServer, call, sockets, text},
    tools,
};

#[tokio::test]
async fn both_eras_are_served_on_one_connection() {
    for server in TestServer::both(sockets()).await {
        let mut client = server.connect().await;
        client
            .send(&json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}))
            .await;
        assert_eq!(client.receive().await["result"]["protocolVersion"], "2025-11-25");
        client
            .send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "echo", "arguments": {"message": "old"}}}))
            .await;
        assert_eq!(text(&client.receive().await), "old");
        assert_eq!(text(&client.call("echo", json!({"message": "new"})).await), "new");
    }
}

#[tokio::test]
async fn a_unix_socket_serves_its_user_and_tcp_serves_strangers() {
    let [tcp, unix] = TestServer::both(sockets()).await;
    let [mut stranger, mut own] = [tcp.connect().await, unix.connect().await];
    assert_eq!(text(&stranger.call("who", json!({})).await), "anonymous over Tcp");
    assert_eq!(text(&own.call("who", json!({})).await), "local over Unix");
    let refused = stranger.call("secret", json!({})).await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["data"]["requiredScopes"]),
        (&json!(403), &json!(["secrets:read"]))
    );
    assert_eq!(text(&own.call("secret", json!({})).await), "told");

    let open = TestServer::tcp(Sockets::new().without_auth()).await;
    assert_eq!(text(&open.connect().await.call("secret", json!({})).await), "told");
}

#[tokio::test]
#[cfg(target_os = "linux")]
#[ignore = "has to be root, to become another user"]
async fn another_user_is_not_served_even_where_the_file_lets_it() {
    use std::{
        fs,
        io::Read,
        os::unix::{fs::PermissionsExt, net::UnixStream},
        path::PathBuf,
    };

    use rustix::{process::Uid, thread::set_thread_res_uid};

    let server = TestServer::unix(Sockets::new()).await;
    let path = server.path().to_owned();
    let directory = path.parent().unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let connect = move |path: PathBuf| {
        let connecting = std::thread::spawn(move || {
            // Of this thread alone.
            let other = Uid::from_raw(65_534);
            set_thread_res_uid(other, other, other).unwrap();
            UnixStream::connect(path)
        });
        connecting.join().unwrap()
    };
    assert_eq!(connect(path.clone()).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let mut stream = connect(path).unwrap();
    let said = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        stream.read_to_string(&mut said).map(|_| said)
    });
    assert_eq!(crate::client::within(said).await.unwrap().unwrap(), "");
    assert_eq!(text(&server.connect().await.call("echo", json!({"message": "hi"})).await), "hi");
}

#[tokio::test]
async fn addresses_beyond_loopback_are_listened_on_only_where_that_is_said() {
    for address in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let refused = Sockets::new().without_auth().bind_tcp(tools::server().0, address).await.unwrap_err();
        assert!(matches!(refused, ServeError::BeyondLoopback(_)), "{address}: {refused}");
    }
    let open = Sockets::new()
        .without_auth()
        .listen_beyond_loopback()
        .bind_tcp(tools::server().0, "0.0.0.0:0")
        .await
        .unwrap();
    assert!(open.local_addr().to_string().starts_with("tcp://0.0.0.0:"), "{}", open.local_addr());
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999"] {
        let refused = Sockets::new().without_auth().bind_tcp(tools::server().0, address).await.unwrap_err();
        assert!(matches!(refused, ServeError::Address { .. }), "{address}: {refused}");
    }
}

#[tokio::test]
async fn who_calls_over_tcp_has_to_be_decided() {
    let refused = Sockets::new().bind_tcp(tools::server().0, "127.0.0.1:0").await.unwrap_err();
    assert!(matches!(refused, ServeError::NoAuthentication), "{refused}");
    assert!(refused.to_string().contains("without_auth"), "{refused}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let server = TestServer::tcp(sockets()).await;
    let port = server.port().to_string();
    let refused = Sockets::new().without_auth().bind_tcp(tools::server().0, &port).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("{port} cannot be listened on"));
}

#[tokio::test]
async fn a_stream_of_ones_own_is_served_for_whom_it_is_said_to_be() {
    let (server, _) = tools::server();
    // Smaller than a message, so that reading and writing stop in the middle.
    let (ours, theirs) = tokio::io::duplex(16);
    let endpoint = server.build().unwrap();
    let options = Sockets::new();
    let serving = options.serve_stream(&endpoint, ours, Principal::anonymous(), TransportKind::InMemory);
    let calling = async {
        let mut client = Client::new(theirs);
        assert_eq!(text(&client.call("who", json!({})).await), "anonymous over InMemory");
        let message = "x".repeat(1 << 20);
        assert_eq!(text(&client.call("echo", json!({"message": message})).await), message);
        client.send_bytes(call("last", "who", json!({})).to_string().as_bytes()).await;
        client.end_input().await;
        assert_eq!(client.receive().await["id"], "last");
        assert_eq!(client.try_receive().await, None);
    };
    let (served, ()) = tokio::join!(serving, calling);
    served.unwrap();
}

#[test]
fn whatever_serves_may_run_in_a_task() {
    fn check<T: Send>(_: impl FnOnce() -> T) {}
    check(|| Stdio::new().serve(tools::server().0));
    check(|| SocketServer::bind_unix(tools::server().0, "unused"));
    check(|| async {
        Sockets::new().without_auth().bind_tcp(tools::server().0, "unused").await?.run().await
    });
    check(|| async {
        let (stream, _) = tokio::io::duplex(1);
        Sockets::new().serve_stream(tools::server().0, stream, Principal::local(), TransportKind::Unix).await
    });
}
