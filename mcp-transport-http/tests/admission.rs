//! Who gets in: nobody, until somebody says who.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use mcp_core::{Principal, PrincipalKind, Signal};
use mcp_transport_http::{
    ApiKeys, Authenticate, Found, Http, HttpService, MemoryKeys, NewKey, ResponseBody, ServeError,
};
use serde_json::{Value, json};
use tower_service::Service;

use crate::{
    client::{TestServer, call},
    tools,
};

/// Knows who calls by a header, at once or later, and counts as whatever else it is told.
#[derive(Debug)]
struct ByName(&'static str);

impl Authenticate for ByName {
    fn authenticate(&self, head: &Parts) -> Found {
        let Some(name) = head.headers.get(self.0) else { return Found::Nothing };
        let name = name.to_str().unwrap().to_owned();
        let named = move || match name.as_str() {
            "unknown" => Found::Unknown,
            "malformed" => Found::Malformed("that is no name"),
            "unavailable" => Found::Unavailable,
            "expired" => {
                Found::Principal(Principal::new(PrincipalKind::User, "a").with_expiry(SystemTime::UNIX_EPOCH))
            }
            _ => Found::Principal(Principal::new(PrincipalKind::User, name)),
        };
        if head.headers.contains_key("x-later") {
            return Found::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                Found::Later(Box::pin(async move { named() }))
            }));
        }
        named()
    }

    fn challenge(&self) -> &str {
        self.0
    }

    fn headers(&self) -> &[HeaderName] {
        static HEADERS: [HeaderName; 1] = [HeaderName::from_static("x-name")];
        &HEADERS
    }
}

/// Calls `who` on a service that is mounted, with these headers.
async fn who(
    service: &HttpService,
    headers: &[(&str, &str)],
    principal: Option<Principal>,
) -> (u16, Vec<String>, Value) {
    let mut request = Request::builder()
        .method("POST")
        .uri("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "who");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(principal) = principal {
        request = request.extension(principal);
    }
    let body = Full::new(Bytes::from(call("who", json!({})).to_string()));
    let response: Response<ResponseBody> = service.clone().call(request.body(body).unwrap()).await.unwrap();
    let challenges = response.headers().get_all("www-authenticate").iter();
    let challenges = challenges.map(|value| value.to_str().unwrap().to_owned()).collect();
    let status = response.status().as_u16();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    (status, challenges, serde_json::from_slice(&answer).unwrap())
}

fn subject(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_server_that_would_let_nobody_in_does_not_start_and_says_what_to_write() {
    let (endpoint, _) = tools::endpoint();
    let refused = Http::new().bind(&endpoint, "127.0.0.1:0").await.unwrap_err();
    assert!(matches!(refused, ServeError::NoAuthentication), "{refused}");
    for what in ["Http::keys", "Http::authenticate", "Http::without_auth"] {
        assert!(refused.to_string().contains(what), "{refused}");
    }
    assert!(matches!(Http::new().serve(&endpoint, "127.0.0.1:0").await, Err(ServeError::NoAuthentication)));
    let keys = ApiKeys::new(MemoryKeys::new());
    for options in [Http::new().keys(keys), Http::new().without_auth(), Http::new().authenticate(ByName("x"))]
    {
        options.clone().bind(&endpoint, "127.0.0.1:0").await.unwrap();
        let refused = options.bind(&endpoint, "0.0.0.0:0").await.unwrap_err();
        assert!(matches!(refused, ServeError::BeyondLoopback(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_mounted_service_lets_in_whom_a_layer_knows_and_nobody_else() {
    let (endpoint, _) = tools::endpoint();
    let service = HttpService::new(&endpoint).unwrap();
    let (status, challenges, answer) = who(&service, &[("authorization", "Bearer x")], None).await;
    assert_eq!((status, &answer["error"]["code"]), (401, &json!(401)));
    assert_eq!(challenges, ["Bearer realm=\"mcp\""]);

    let ada = Principal::new(PrincipalKind::User, "ada");
    for principal in [ada.clone(), Principal::anonymous()] {
        let (status, _, answer) = who(&service, &[], Some(principal.clone())).await;
        assert_eq!((status, subject(&answer)), (200, principal.subject()));
    }
    let revoked = Signal::new();
    revoked.raise();
    for over in [ada.clone().with_expiry(SystemTime::UNIX_EPOCH), ada.clone().with_revocation(revoked)] {
        let (status, challenges, _) = who(&service, &[], Some(over)).await;
        assert_eq!(status, 401);
        assert!(challenges[0].contains("error=\"invalid_token\""), "{challenges:?}");
    }

    // It wins over whatever the request itself shows.
    let service = Http::new().authenticate(ByName("x-name")).without_auth().service(&endpoint).unwrap();
    let (_, _, answer) = who(&service, &[("x-name", "malformed")], Some(ada)).await;
    assert_eq!(subject(&answer), "ada");
}

#[tokio::test]
async fn several_ways_are_asked_in_their_order_until_one_knows() {
    let (endpoint, _) = tools::endpoint();
    let (one, two) = (ByName("x-one"), ByName("x-two"));
    let closed = Http::new().authenticate(one).authenticate(two);
    let service = closed.clone().service(&endpoint).unwrap();
    for later in [&[][..], &[("x-later", "")]] {
        for (headers, expected) in [
            (&[("x-one", "a"), ("x-two", "b")][..], Ok("a")),
            (&[("x-two", "b")], Ok("b")),
            (&[("x-one", "unknown"), ("x-two", "b")], Ok("b")),
            (&[("x-one", "expired"), ("x-two", "b")], Ok("b")),
            (&[], Err((401, &["x-one", "x-two"][..]))),
            (&[("x-two", "unknown")], Err((401, &["x-two, error=\"invalid_token\""]))),
            (&[("x-one", "unknown"), ("x-two", "unknown")], Err((401, &["x-one, error=\"invalid_token\""]))),
            (&[("x-one", "expired")], Err((401, &["x-one, error=\"invalid_token\""]))),
            (
                &[("x-one", "malformed"), ("x-two", "b")],
                Err((400, &["x-one, error=\"invalid_request\", error_description=\"that is no name\""])),
            ),
            (&[("x-one", "unavailable"), ("x-two", "b")], Err((503, &[]))),
        ] {
            let (status, challenges, answer) = who(&service, &[headers, later].concat(), None).await;
            match expected {
                Ok(name) => assert_eq!((status, subject(&answer)), (200, name), "{headers:?}"),
                Err((expected, begin)) => {
                    assert_eq!((status, &answer["error"]["code"]), (expected, &json!(expected)));
                    assert_eq!(challenges.len(), begin.len(), "{challenges:?}");
                    let mut both = challenges.iter().zip(begin);
                    assert!(both.all(|(is, begin)| is.starts_with(begin)), "{headers:?}: {challenges:?}");
                }
            }
        }
    }
    // Whoever shows nothing may be let in, as whom they are said to be; whoever shows what is wrong is not.
    let guests = closed.clone().strangers_are(Principal::new(PrincipalKind::Anonymous, "guest"));
    let service = guests.service(&endpoint).unwrap();
    assert_eq!(subject(&who(&service, &[], None).await.2), "guest");
    let service = closed.without_auth().service(&endpoint).unwrap();
    assert_eq!(subject(&who(&service, &[], None).await.2), "anonymous");
    assert_eq!(who(&service, &[("x-one", "unknown")], None).await.0, 401);
}

#[tokio::test]
async fn pages_that_are_allowed_may_send_the_headers_of_keys_and_read_why_they_are_refused() {
    let keys = ApiKeys::new(MemoryKeys::new()).header("X-Client-Key").unwrap();
    let options = Http::new().allow_origin("https://app.example.com").keys(keys);
    let server = TestServer::closed(options).await;
    let page = "Host: localhost\r\nOrigin: https://app.example.com\r\n";
    let preflight = server
        .raw(&format!("OPTIONS /mcp HTTP/1.1\r\n{page}Access-Control-Request-Method: POST\r\n\r\n"))
        .await;
    assert_eq!(preflight.status, 204);
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert!(allowed.split(", ").any(|name| name == "x-client-key"), "{allowed}");
    let refused = server.raw(&format!("GET /mcp HTTP/1.1\r\n{page}\r\n")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example.com"));
    let readable = refused.header("access-control-expose-headers").unwrap();
    assert!(readable.contains("www-authenticate"), "{readable}");
}

#[tokio::test]
async fn what_a_key_grants_is_what_its_holder_may() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let new = NewKey::named("ci").scopes(["db:read"]).tenants(["acme"]).expires_in(Duration::from_secs(60));
    let (record, key) = keys.create(new).await.unwrap();
    let head =
        || Request::builder().header("authorization", format!("Bearer {}", key.expose())).body(()).unwrap();
    let mut found = keys.authenticate(&head().into_parts().0);
    while let Found::Later(later) = found {
        found = later.await;
    }
    let Found::Principal(principal) = found else { panic!("{found:?}") };
    assert_eq!((principal.kind(), principal.subject()), (PrincipalKind::Client, record.id.as_str()));
    assert!(principal.has_scope("db:read") && !principal.has_scope("db:write"));
    assert!(principal.has_tenant("acme") && !principal.has_tenant("other"));
    assert_eq!((principal.expires_at(), &principal.claims()["name"]), (record.expires, &json!("ci")));
    // The second time it is known at once.
    assert!(
        matches!(keys.authenticate(&head().into_parts().0), Found::Principal(again) if again == principal)
    );
    for bad in ["", "a key", "Authorization"] {
        assert!(keys.clone().header(bad).is_err(), "{bad}");
    }
    for bad in ["", "BX", "b_x", "b.x", "abcdefghijklmnopq"] {
        assert!(keys.clone().prefix(bad).is_err(), "{bad}");
    }
}
