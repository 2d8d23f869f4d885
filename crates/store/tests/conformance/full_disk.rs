//! A disk that is full, or that refuses to take more. Of SQLite on Unix alone.
//!
//! A process cannot fill a disk for itself alone, but it can forbid itself to make a file longer.
//! That ends a process which does not ignore the signal `SIGXFSZ`, and ignoring it is not to be had
//! without unsafe code, but a shell can: what it ignores stays ignored in the program that it turns
//! into. So the test runs itself again, through a shell.

use std::process::Command;

use remint_protocol::family::Family;
use remint_protocol::family_id::FamilyId;
use remint_store::{Error, Filter, Outcome};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::backend::{Place, on_sqlite};
use crate::samples::{load, register, rotated, rotation, sign_in, uncounted};

const CHILD: &str = "a_disk_that_takes_no_more_child";
/// Tells the child that it survives the signal.
const IS_DEAF: &str = "CONFORMANCE_IGNORES_XFSZ";

#[test]
fn a_disk_that_takes_no_more_makes_writes_unavailable_until_there_is_room() {
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("full_disk::{CHILD}"))
        .env(IS_DEAF, "")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "{out}");
}

/// How long a file may become.
fn limit_files(to: Option<u64>) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: to.or(maximum), maximum }).unwrap();
}

fn log_length(place: &Place) -> u64 {
    std::fs::metadata(place.file().with_extension("db-wal")).unwrap().len()
}

#[test]
#[ignore = "runs in a process of its own, started by the test above"]
fn a_disk_that_takes_no_more_child() {
    assert!(std::env::var_os(IS_DEAF).is_some(), "the signal would end all tests");
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let mut families = sign_in(&store, &shop, 20).await;
        // A commit is a header of 24 bytes and a page of 2048: before it, in it, one byte short.
        for room in [0, 1, 24, 1_000, 2_071] {
            limit_files(Some(log_length(&place) + room));
            for family in &families {
                let answer = store.rotate(&rotation(family.id, family.generation)).await;
                let Err(Error::Unavailable { cause }) = &answer else { panic!("{answer:?}") };
                assert!(cause.contains("disk"), "{cause}");
                assert_eq!(load(&store, family.id).await, *family, "reads go on");
            }
            assert!(store.insert_family(&begin(&families), None).await.is_err());
            limit_files(None);
            for family in &mut families {
                let next = rotation(family.id, family.generation);
                assert_eq!(store.rotate(&next).await.unwrap(), Outcome::Done);
                *family = rotated(family, &next);
            }
        }
        drop(store);
        let reopened = place.open().await;
        let page = reopened.list_families(Filter::All, None, 100).await.unwrap();
        let found: Vec<_> =
            page.families.into_iter().map(|loaded| uncounted(loaded.family)).collect();
        assert_eq!(found, families);
    });
}

fn begin(families: &[Family]) -> Family {
    Family { id: FamilyId([0xff; 16]), ..families[0].clone() }
}
