//! Which release a rollback goes to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use rusqlite::Connection;

use super::*;
use crate::bext::engine::{AppSource, Timestamp};
use crate::bext::node::source::ArtifactId;
use crate::bext::node::store::in_memory;

fn shop() -> AppName {
    "shop".parse().unwrap()
}

/// Releases of these versions, the last of them the newest; an artifact each.
fn released(versions: &[&str]) -> (Connection, Vec<ReleaseRow>) {
    let connection = in_memory();
    let now = Timestamp::from_unix_millis(0);
    let source: AppSource = "/srv/shop".parse().unwrap();
    let app = AppRow {
        name: shop(),
        source,
        runtime: Runtime::Static,
        runtime_chosen: false,
        created_at: now,
        updated_at: now,
    };
    AppsTable(&connection).insert(&app).unwrap();
    for (n, version) in versions.iter().enumerate() {
        let artifact = ArtifactId(format!("{n:064x}"));
        ReleasesTable(&connection)
            .put(&shop(), &version.parse().unwrap(), &artifact, Runtime::Static, now)
            .unwrap();
    }
    let releases = ReleasesTable(&connection).of(&shop()).unwrap();
    (connection, releases)
}

fn route(releases: &[ReleaseRow], live: usize, previous: Option<usize>, canary: Option<usize>) -> RouteRow {
    RouteRow {
        app: shop(),
        live: releases[live].clone(),
        previous: previous.map(|n| releases[n].clone()),
        canary: canary.map(|n| (Percent::try_from(5).unwrap(), releases[n].clone())),
    }
}

/// `live`, `canary VERSION`, or the code of the error.
fn found(route: &RouteRow, version: Option<&str>, releases: &[ReleaseRow]) -> String {
    let version = version.map(|version| version.parse().unwrap());
    match target(route, version.as_ref(), releases) {
        Ok(Target::EndCanary(canary)) => format!("end {}", canary.version),
        Ok(Target::Release(release)) => {
            format!("{} {}", release.version, release.artifact.0.trim_start_matches('0'))
        }
        Err(error) => error.code().to_owned(),
    }
}

#[test]
fn a_rollback_goes_back_by_one_or_to_a_version_that_is_kept() {
    let (_, releases) = released(&["v1.0.0", "v1.1.0", "v1.2.0"]);
    // The newest first: 0 is v1.2.0.
    let live = route(&releases, 0, Some(1), None);
    assert_eq!(found(&live, None, &releases), "v1.1.0 1");
    assert_eq!(found(&live, Some("1.0.0"), &releases), "v1.0.0 ");
    assert_eq!(found(&live, Some("1.2.0"), &releases), "already_live");
    assert_eq!(found(&live, Some("2.0.0"), &releases), "version_not_kept");
    assert_eq!(found(&route(&releases, 0, None, None), None, &releases), "no_previous_version");
}

#[test]
fn a_version_with_two_artifacts_has_the_other_one_to_go_back_to() {
    let (_, releases) = released(&["1.0.0", "1.0.0"]);
    let live = route(&releases, 0, Some(1), None);
    assert_eq!(found(&live, Some("1.0.0"), &releases), "1.0.0 ");
    assert_eq!(found(&live, None, &releases), "1.0.0 ");
}

#[test]
fn of_two_versions_that_differ_in_their_v_the_one_that_was_named_is_meant() {
    let (_, releases) = released(&["1.3.0", "v1.3.0", "v1.4.0"]);
    let live = route(&releases, 0, Some(1), None);
    assert_eq!(found(&live, Some("1.3.0"), &releases), "1.3.0 ");
    assert_eq!(found(&live, Some("v1.3.0"), &releases), "v1.3.0 1");
    let live = route(&releases, 1, Some(0), None);
    assert_eq!(found(&live, Some("v1.3.0"), &releases), "already_live");
    assert_eq!(found(&live, Some("1.3.0"), &releases), "1.3.0 ");
    assert_eq!(found(&live, Some("1.4.0"), &releases), "v1.4.0 2");
}

#[test]
fn a_canary_ends_with_every_rollback_but_one_to_itself() {
    let (_, releases) = released(&["1.0.0", "1.1.0", "1.2.0"]);
    let tried = route(&releases, 1, Some(2), Some(0));
    assert_eq!(found(&tried, None, &releases), "end 1.2.0");
    assert_eq!(found(&tried, Some("v1.1.0"), &releases), "end 1.2.0");
    assert_eq!(found(&tried, Some("1.2.0"), &releases), "canary_running");
    assert_eq!(found(&tried, Some("1.0.0"), &releases), "1.0.0 ");
}
