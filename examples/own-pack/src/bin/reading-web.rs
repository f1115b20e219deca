//! The reading list inside an axum application: MCP at `/mcp`, beside routes that know nothing of it.
#![allow(clippy::print_stderr, reason = "a program talks to its terminal")]

use std::{error::Error, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use own_pack::{Reading, pack, reading::WRITE};
use tokio::net::TcpListener;
use toolpack::{ConfirmDestructive, PackOptions, Principal, PrincipalKind, Server, http::HttpService};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder: PathBuf = arguments.next().ok_or("usage: reading-web FOLDER [ADDRESS]")?.into();
    let address = arguments.next().and_then(|address| address.into_string().ok());
    let token: Arc<str> = std::env::var("READING_TOKEN").map_err(|_| "READING_TOKEN wants a token")?.into();

    let reading = Arc::new(Reading::open(&folder)?);
    let server = Server::new("reading-list", env!("CARGO_PKG_VERSION"))
        .confirm(ConfirmDestructive::new())
        .pack(pack(Arc::clone(&reading)), PackOptions::new());
    let mcp = HttpService::new(server)?;
    let app = Router::new()
        .route_service("/mcp", mcp.clone())
        .layer(middleware::from_fn(move |request, next| authenticate(Arc::clone(&token), request, next)))
        .route("/count", get(move || count(Arc::clone(&reading))));

    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            // Without a signal handler there is only the hard way to stop.
            let _ = tokio::signal::ctrl_c().await;
            mcp.close();
        })
        .await?;
    Ok(())
}

/// Who is calling: Ada if she shows her token, nobody in particular without one.
///
/// A service of yours has its own way to know. All that matters here is the principal in the request's extensions.
async fn authenticate(token: Arc<str>, mut request: Request, next: Next) -> Response {
    match request.headers().get(AUTHORIZATION) {
        None => _ = request.extensions_mut().insert(Principal::anonymous()),
        // A service of yours compares in constant time, or looks up a digest.
        Some(shown) if shown.as_bytes() == format!("Bearer {token}").as_bytes() => {
            let ada = Principal::new(PrincipalKind::User, "ada").with_scopes([WRITE]);
            request.extensions_mut().insert(ada);
        }
        Some(_) => return StatusCode::UNAUTHORIZED.into_response(),
    }
    next.run(request).await
}

/// A route of the application's own, over the same state.
async fn count(reading: Arc<Reading>) -> Response {
    match reading.shelf.items().await {
        Ok(items) => items.len().to_string().into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
