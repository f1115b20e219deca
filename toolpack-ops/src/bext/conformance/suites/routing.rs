//! Which app a request reaches, by the host that it asks for.

use std::time::Duration;

use super::super::bench::Bench;
use super::super::client::{Ask, send_raw, status_of};
use super::super::finding::{Finding, Trouble, seen};
use super::super::trial::checks;
use crate::bext::engine::{DomainName, ListDomains};

checks! {
    "an app answers at its name under localhost", "200 and a file of the site" => by_name;
    "the case of a host does not matter", "200 and a file of the site" => case;
    "a port behind a host does not matter", "200 and a file of the site" => port;
    "a dot behind a host does not matter", "200 and a file of the site" => dot;
    "an unknown host is answered with 404", "404" => unknown;
    "what is said to an unknown host names no app", "no name of an app in it" => unknown_names_none;
    "a request without a host is refused", "400" => no_host;
    "two hosts in one request are refused", "400" => two_hosts;
    "a domain leads to its app at once", "404 before, 200 after add_domain" => domain;
    "a domain of another app is refused", "domain_taken" => taken;
    "a domain that is added again stays", "no error, and listed once" => domain_again;
    "a wildcard stands for one label", "200 for one label, 404 for two and for none" => wildcard;
    "an exact domain goes before a wildcard", "404 for a file that the other app has not, 200 by the wildcard" => exact_first;
    "a domain that is taken away leads nowhere", "404" => removed;
    "a domain that is not there cannot be taken away", "domain_not_found" => not_there;
    "a domain in another script is asked for in ASCII", "200 for its xn-- form" => idna;
}

async fn page(bench: &Bench, host: String) -> Finding {
    let answer = bench.ask(&Ask::get(host, "/style.css")).await?;
    let good = answer.status == 200 && answer.text() == "body { color: black }\n";
    seen(good, format!("{} {:?}", answer.status, answer.text().trim()))
}

async fn status(bench: &Bench, host: &str) -> Result<u16, Trouble> {
    Ok(bench.ask(&Ask::get(host, "/version")).await?.status.as_u16())
}

/// A domain that nobody else has.
fn domain_of(bench: &Bench, name: &str) -> String {
    format!("{name}.{}.test", bench.site.app.as_str())
}

async fn lead(bench: &Bench, domain: &str) -> Result<(), Trouble> {
    let domain: DomainName = domain.parse()?;
    Ok(bench.apps().add_domain(&bench.site, &domain).await?)
}

async fn take(bench: &Bench, domain: &str) -> Result<(), Trouble> {
    let domain: DomainName = domain.parse()?;
    Ok(bench.apps().remove_domain(&bench.instance, Some(&bench.site.app), &domain).await?)
}

async fn by_name(bench: &Bench) -> Finding {
    page(bench, Bench::host(&bench.site)).await
}

async fn case(bench: &Bench) -> Finding {
    page(bench, Bench::host(&bench.site).to_uppercase()).await
}

async fn port(bench: &Bench) -> Finding {
    page(bench, format!("{}:{}", Bench::host(&bench.site), bench.gateway.port())).await
}

async fn dot(bench: &Bench) -> Finding {
    page(bench, format!("{}.", Bench::host(&bench.site))).await
}

async fn unknown(bench: &Bench) -> Finding {
    let status = status(bench, &domain_of(bench, "unknown")).await?;
    seen(status == 404, status)
}

async fn unknown_names_none(bench: &Bench) -> Finding {
    let answer = bench.ask(&Ask::get("unknown.test", "/")).await?;
    let text = answer.text();
    seen(!text.contains(bench.site.app.as_str()), format!("{} {:?}", answer.status, text.trim()))
}

async fn raw(bench: &Bench, request: &str) -> Finding {
    let (answer, _) = send_raw(bench.gateway, request.as_bytes(), Duration::from_secs(5)).await?;
    let status = status_of(&answer);
    seen(status == 400, status)
}

async fn no_host(bench: &Bench) -> Finding {
    raw(bench, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await
}

async fn two_hosts(bench: &Bench) -> Finding {
    let host = Bench::host(&bench.site);
    raw(bench, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: other.test\r\nConnection: close\r\n\r\n"))
        .await
}

async fn domain(bench: &Bench) -> Finding {
    let domain = domain_of(bench, "www");
    let before = status(bench, &domain).await?;
    lead(bench, &domain).await?;
    let after = status(bench, &domain).await?;
    take(bench, &domain).await?;
    seen((before, after) == (404, 200), format!("{before} before, {after} after"))
}

async fn taken(bench: &Bench) -> Finding {
    let domain = domain_of(bench, "taken");
    lead(bench, &domain).await?;
    let result = bench.apps().add_domain(&bench.other, &domain.parse()?).await;
    take(bench, &domain).await?;
    let code = result.as_ref().map_or_else(crate::error::Error::code, |()| "no error");
    seen(code == "domain_taken", code)
}

async fn domain_again(bench: &Bench) -> Finding {
    let domain = domain_of(bench, "twice");
    lead(bench, &domain).await?;
    lead(bench, &domain).await?;
    let options = ListDomains::default().with_app(Some(bench.site.app.clone()));
    let listed = bench.apps().list_domains(&bench.instance, options).await?.domains;
    let times = listed.iter().filter(|listed| listed.domain.as_str() == domain).count();
    take(bench, &domain).await?;
    seen(times == 1, format!("listed {times} times"))
}

async fn wildcard(bench: &Bench) -> Finding {
    let base = domain_of(bench, "wild");
    lead(bench, &format!("*.{base}")).await?;
    let one = status(bench, &format!("a.{base}")).await?;
    let two = status(bench, &format!("a.b.{base}")).await?;
    let none = status(bench, &base).await?;
    take(bench, &format!("*.{base}")).await?;
    seen((one, two, none) == (200, 404, 404), format!("{one}, {two} and {none}"))
}

async fn exact_first(bench: &Bench) -> Finding {
    let base = domain_of(bench, "order");
    let exact: DomainName = format!("exact.{base}").parse()?;
    lead(bench, &format!("*.{base}")).await?;
    bench.apps().add_domain(&bench.other, &exact).await?;
    // Only the site has this file.
    let of_exact = bench.ask(&Ask::get(exact.as_str(), "/style.css")).await?.status;
    let of_wildcard = bench.ask(&Ask::get(format!("inexact.{base}"), "/style.css")).await?.status;
    bench.apps().remove_domain(&bench.instance, Some(&bench.other.app), &exact).await?;
    take(bench, &format!("*.{base}")).await?;
    seen(
        of_exact == 404 && of_wildcard == 200,
        format!("{of_exact} for a file that only the app of the wildcard has, {of_wildcard} by the wildcard"),
    )
}

async fn removed(bench: &Bench) -> Finding {
    let domain = domain_of(bench, "gone");
    lead(bench, &domain).await?;
    take(bench, &domain).await?;
    let status = status(bench, &domain).await?;
    seen(status == 404, status)
}

async fn not_there(bench: &Bench) -> Finding {
    let domain: DomainName = domain_of(bench, "never").parse()?;
    match bench.apps().remove_domain(&bench.instance, None, &domain).await {
        Ok(()) => seen(false, "no error"),
        Err(error) => seen(error.code() == "domain_not_found", error.code()),
    }
}

async fn idna(bench: &Bench) -> Finding {
    let domain = domain_of(bench, "bücher");
    lead(bench, &domain).await?;
    let ascii: DomainName = domain.parse()?;
    let status = status(bench, ascii.as_str()).await?;
    take(bench, &domain).await?;
    seen(status == 200 && ascii.as_str().starts_with("xn--"), format!("{status} for {ascii}"))
}
