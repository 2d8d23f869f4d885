//! Everything arrives, whatever the engines, and however often the copy was interrupted.

use std::sync::Mutex;

use remint_store::{Node, NodeId, Outcome, Progress};

use super::ends::{End, between_all_engines, unless};
use crate::samples::{at, register, sign_in};

/// More than two pieces, and not a whole number of them.
const ROWS: u32 = 1_234;

/// So many rows in every table, with values of their own in every column that the schema has. Every
/// third row has nothing in the columns that allow it.
fn fill(end: &End, rows: u32) {
    for table in end.tables().iter().filter(|table| *table != "meta") {
        let columns = end.columns(table);
        // Keys have numbers of one byte.
        let rows = if table == "keys" { 3 } else { rows };
        let value =
            |row: u32, (place, (_, kind, may_be_null)): (u32, &(String, String, bool))| match kind
                .as_str()
            {
                _ if *may_be_null && row.is_multiple_of(3) => "NULL".to_owned(),
                "text" => format!("'{place} Zoë {row:06}'"),
                "bytea" => format!("'\\x{row:08x}{place:08x}{:016x}'", !0_u64),
                "blob" => format!("x'{row:08x}{place:08x}{:016x}'", !0_u64),
                _ => (row * 100 + place).to_string(),
            };
        let row = |row: u32| {
            let values: Vec<_> = (0..).zip(&columns).map(|column| value(row, column)).collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<_> = (1..=rows).map(row).collect();
        let names: Vec<_> = columns.iter().map(|column| column.0.as_str()).collect();
        end.execute(&format!(
            "INSERT INTO {table} ({}) VALUES {};",
            names.join(", "),
            rows.join(", ")
        ));
    }
}

#[test]
fn every_column_of_every_table_arrives_in_bounded_pieces() {
    between_all_engines(async |source, target| {
        fill(&source, ROWS);
        let mut told: Vec<Progress> = Vec::new();
        let copied = source.store.copy_to(&target.store, |now| told.push(now)).await.unwrap();
        let contents = source.contents();
        assert_eq!(contents.len(), 10);
        for ((table, rows), (_, arrived)) in contents.iter().zip(target.contents()) {
            assert_eq!(*rows, arrived, "{table}");
            let told: Vec<_> = told.iter().filter(|now| now.table == table).collect();
            let steps = told.windows(2).map(|two| two[1].rows - two[0].rows);
            assert!(steps.max() <= Some(500) && told[0].rows <= 500, "{told:?}");
            assert_eq!(told.last().map(|now| now.share), Some(Some(1_000)));
            let of = copied.iter().find(|of| of.table == table).unwrap();
            let all = rows.len() as u64;
            assert_eq!([of.source, of.target, of.written, of.removed], [all, all, all, 0]);
            assert!(of.is_complete());
        }
    });
}

/// What runs now, and which primary was seen, is not of the installation but of its place.
#[test]
fn nodes_and_what_a_database_says_of_itself_stay_behind() {
    between_all_engines(async |source, target| {
        source.add_keys(&[1]).await;
        let node = Node {
            id: NodeId([1; 16]),
            name: "old".into(),
            version: "1".into(),
            kids: vec![1],
            started_at: at(0),
            seen_at: at(0),
        };
        source.store.see_node(&node).await.unwrap();
        source.execute("INSERT INTO meta VALUES ('swept_until', 5)");
        let of_its_own = "SELECT name, value FROM meta \
            WHERE name NOT IN ('epoch', 'ends', 'revision', 'copied') ORDER BY name";
        let before = target.query(of_its_own);
        source.copy_to(&target).await;
        assert!(target.store.list_nodes().await.unwrap().is_empty());
        assert_eq!(target.query(of_its_own), before);
    });
}

/// Dropping the future is what Ctrl-C, a crash and a cut connection leave, at any of its steps: the
/// next commit, or the next read, is under way then.
#[test]
fn a_copy_that_was_interrupted_again_and_again_is_whole_in_the_end() {
    between_all_engines(async |source, target| {
        fill(&source, ROWS);
        let epoch = source.store.epoch().await.unwrap();
        let (mut interrupted, mut midway) = (0, 0);
        let copied = loop {
            // Each time a step further than the last.
            let told: Mutex<Vec<Progress>> = Mutex::default();
            let copying = source.store.copy_to(&target.store, |now| told.lock().unwrap().push(now));
            let is_enough = || told.lock().unwrap().len() > interrupted;
            if let Some(copied) = unless(is_enough, copying).await {
                break copied.unwrap();
            }
            interrupted += 1;
            let is_midway = |now: &Progress| now.table == "families" && now.rows < ROWS.into();
            midway += u32::from(told.lock().unwrap().last().is_some_and(is_midway));
            let begun = target.query("SELECT 1 FROM families LIMIT 1");
            assert!(begun.is_empty() || target.store.epoch().await.unwrap() > epoch);
        };
        assert!(interrupted >= 15 && midway >= 1, "{interrupted} and {midway} times");
        assert!(copied.iter().all(remint_store::Copied::is_complete));
        assert_eq!(target.contents(), source.contents());
    });
}

#[test]
fn a_second_copy_of_what_did_not_change_writes_nothing() {
    between_all_engines(async |source, target| {
        fill(&source, ROWS);
        source.copy_to(&target).await;
        let again = source.copy_to(&target).await;
        assert!(again.iter().all(|of| (of.written, of.removed) == (0, 0)), "{again:?}");
        assert!(again.iter().all(|of| of.target == of.source && of.source >= 3), "{again:?}");
    });
}

#[test]
fn rows_that_get_lost_on_the_way_are_told_of() {
    between_all_engines(async |source, target| {
        source.add_keys(&[1]).await;
        let shop = register(&source.store).await;
        let families = sign_in(&source.store, &shop, 3).await;
        source.copy_to(&target).await;
        let late = crate::samples::family(9, &shop, crate::samples::USER);
        assert_eq!(source.store.insert_family(&late, None).await.unwrap(), Outcome::Done);
        target.swallow("families");
        let copied = source.copy_to(&target).await;
        let of = |name: &str| copied.iter().find(|of| of.table == name).unwrap();
        assert!(!of("families").is_complete() && of("users").is_complete(), "{copied:?}");
        assert_eq!((of("families").source, of("families").target), (4, families.len() as u64));
    });
}
