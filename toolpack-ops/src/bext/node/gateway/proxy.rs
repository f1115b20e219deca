//! The innermost stage: chooses the release that answers a request, and has it answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower_service::Service;

use super::answers::{Form, Refusal};
use super::backend::{Passage, Target};
use super::bodies::Download;
use super::canary::{self, Stick};
use super::exchange::Exchange;
use super::routes::Entry;
use super::shared::Shared;
use super::visit::{Led, Visit};
use crate::bext::node::body::Body;

#[derive(Clone, Debug)]
pub(super) struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Service<Request<Body>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            let form = Form::asked(request.headers());
            let extensions = request.extensions_mut();
            let (Some(visit), Some(Led(entry))) = (extensions.remove(), extensions.remove()) else {
                let refusal =
                    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "no_route", "the request has no route");
                return Ok(refusal.answer(form));
            };
            Ok(answer(&shared, visit, &entry, request).await.unwrap_or_else(|refusal| refusal.answer(form)))
        })
    }
}

async fn answer(
    shared: &Arc<Shared>,
    visit: Visit,
    entry: &Arc<Entry>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let app = &entry.route.app;
    let (passage, stick) = pick(shared, entry, &request).ok_or_else(|| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "app_stopped",
            format!("the app {} has just been stopped; list_apps says how it is", app.as_str()),
        )
    })?;
    // What the target holds is looked at while the passage goes on into the response.
    let release = passage.release().clone();
    let mut response = match release.target() {
        Target::Site(site) => {
            let (parts, _) = request.into_parts();
            let response = site.answer(&parts).await;
            response
                .map(|body| Download::new(body, visit.settings.idle_timeout, None, passage).boxed_unsync())
        }
        Target::Process(address) => {
            Exchange { shared, visit: &visit, app, address }.run(request, passage).await?
        }
    };
    if let Some(stick) = stick {
        stick.set_on(&mut response);
    }
    Ok(response)
}

/// Picks a release and counts the request as under way there. None if what there is takes no more requests.
///
/// A release that was taken out after the route was looked up takes none, but then there is another route:
/// whoever takes it out sets that first. So this ends as soon as the route is the same as before.
fn pick(shared: &Shared, entry: &Arc<Entry>, request: &Request<Body>) -> Option<(Passage, Option<Stick>)> {
    let mut entry = entry.clone();
    loop {
        let (release, stick) = canary::choose(&entry, request.headers());
        if let Some(passage) = release.enter() {
            return Some((passage, stick));
        }
        let newer = shared.routes().of_app(&entry.route.app)?.clone();
        if Arc::ptr_eq(&newer, &entry) {
            return None;
        }
        entry = newer;
    }
}
