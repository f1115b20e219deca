//! Promises of [`Instances`](crate::bext::engine::Instances).

use super::{Harness, app, expect};
use crate::bext::engine::{
    Cursor, Instance, InstanceHealth, InstanceId, Key, KeyValueText, ListInstances, ListKeys, PageSize,
    SetKey, Statement,
};
use crate::error::ErrorKind;

/// The harness's instance is listed as healthy, with the time of the check, and resolves.
pub async fn the_first_start_has_a_healthy_instance(harness: &dyn Harness) {
    let engines = harness.open().await;
    let page = engines.instances.list(ListInstances::default()).await.unwrap();
    let found = page.instances.iter().find(|instance| instance.id == harness.instance()).expect("is listed");
    assert_eq!(found.status, InstanceHealth::Healthy);
    assert!(found.last_checked_at.to_string().ends_with('Z'));
    let resolved = engines.instances.resolve(&harness.instance()).await.unwrap();
    let listed = Instance { id: found.id.clone(), name: found.name.clone(), url: found.url.clone() };
    assert_eq!(resolved, listed);
}

/// Every method refuses an unknown instance, and says so rather than what else is wrong.
pub async fn an_unknown_instance_is_refused_before_anything_else(harness: &dyn Harness) {
    let engines = harness.open().await;
    let id: InstanceId = "no-such-instance".parse().unwrap();
    let nowhere = crate::bext::engine::AppRef::new(id.clone(), "default".parse().unwrap());
    let key: Key = "k".parse().unwrap();
    let large = "x".repeat(harness.limits().max_kv_value_bytes + 1);
    let large = SetKey::new(KeyValueText::try_from(large).unwrap());
    let foreign = ListKeys::default().with_cursor(Some(Cursor::try_from("?".to_owned()).unwrap()));
    let (kind, code) = (ErrorKind::NotFound, "instance_not_found");
    expect(engines.instances.resolve(&id).await, kind, code, "resolve");
    expect(engines.instances.health(&id).await, kind, code, "health");
    expect(engines.instances.metrics(&id).await, kind, code, "metrics");
    expect(engines.database.query(&nowhere, Statement::new("DROP")).await, kind, code, "query");
    expect(engines.database.execute(&nowhere, Statement::new("DROP")).await, kind, code, "execute");
    expect(engines.key_value.get(&nowhere, &key).await, kind, code, "get");
    expect(engines.key_value.set(&nowhere, &key, large).await, kind, code, "set");
    expect(engines.key_value.delete(&nowhere, &key).await, kind, code, "delete");
    expect(engines.key_value.list(&nowhere, foreign).await, kind, code, "list");
}

/// Pages of one hold every instance once and in order; a cursor of another list is refused.
pub async fn pages_have_limits_and_cursors(harness: &dyn Harness) {
    let engines = harness.open().await;
    let all = engines.instances.list(ListInstances::default()).await.unwrap();
    let mut paged = Vec::new();
    let mut cursor = None;
    loop {
        let one = PageSize::try_from(1).unwrap();
        let options = ListInstances::default().with_limit(one).with_cursor(cursor);
        let page = engines.instances.list(options).await.unwrap();
        assert_eq!(page.instances.len(), 1);
        paged.extend(page.instances.into_iter().map(|instance| instance.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(paged.is_sorted());
    assert_eq!(paged, all.instances.into_iter().map(|instance| instance.id).collect::<Vec<_>>());
    let foreign = ListInstances::default().with_cursor(Some(Cursor::try_from("!".to_owned()).unwrap()));
    expect(engines.instances.list(foreign).await, ErrorKind::InvalidInput, "invalid_cursor", "list");
}

/// After checks, an app still reads as empty, and its tables can be made.
pub async fn checks_store_nothing(harness: &dyn Harness) {
    let engines = harness.open().await;
    engines.instances.list(ListInstances::default()).await.unwrap();
    let app = app(harness, "default");
    engines.execute(&app, "CREATE TABLE t (a INTEGER)").await;
    let page = engines.instances.list(ListInstances::default()).await.unwrap();
    assert!(page.instances.iter().any(|instance| instance.status == InstanceHealth::Healthy));
    assert_eq!(engines.query(&app, "SELECT * FROM t").await.row_count, 0);
}

/// A check of one instance is made when it is asked for, and says the same as the list.
pub async fn a_check_is_made_now(harness: &dyn Harness) {
    let engines = harness.open().await;
    let before = engines.instances.health(&harness.instance()).await.unwrap();
    assert_eq!((before.instance_id.clone(), before.status), (harness.instance(), InstanceHealth::Healthy));
    assert_eq!(before.error, None);
    let minute = std::time::Duration::from_secs(60);
    harness.advance(minute);
    let after = engines.instances.health(&harness.instance()).await.unwrap();
    assert!(after.checked_at >= before.checked_at.plus(minute));
    let page = engines.instances.list(ListInstances::default()).await.unwrap();
    let listed = page.instances.iter().find(|found| found.id == harness.instance()).expect("is listed");
    assert_eq!((listed.status, &listed.version), (after.status, &after.version));
    // What it counts only grows.
    let counted = engines.instances.metrics(&harness.instance()).await.unwrap();
    let again = engines.instances.metrics(&harness.instance()).await.unwrap();
    assert!(again.requests >= counted.requests && again.restarts >= counted.restarts);
}
