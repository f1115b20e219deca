//! The service beside somebody else's routes.

use axum::{Router, middleware, routing::get};
use mcp_core::{Principal, PrincipalKind};
use mcp_transport_http::HttpService;
use serde_json::json;

use crate::client::{Client, call, post};

#[tokio::test]
async fn the_service_nests_in_axum_and_knows_the_principal_that_a_layer_found() {
    let (endpoint, _) = crate::tools::endpoint();
    let service = HttpService::new(&endpoint).unwrap();
    let authenticate =
        middleware::from_fn(|mut request: axum::extract::Request, next: middleware::Next| async {
            request.extensions_mut().insert(Principal::new(PrincipalKind::User, "ada").with_scopes(["a"]));
            next.run(request).await
        });
    let app =
        Router::new().route_service("/mcp", service).layer(authenticate).route("/", get(|| async { "home" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, app).into_future());

    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut client = Client { stream: tokio::io::BufReader::new(stream) };
    client.send(&post(&call("who", json!({})), &[])).await;
    assert_eq!(client.response().await.json()["result"]["content"][0]["text"], "ada");
    client.send("GET / HTTP/1.1\r\nHost: anything\r\n\r\n").await;
    assert_eq!(client.response().await.body, b"home");
    serving.abort();
}
