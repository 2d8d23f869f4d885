//! Root keys when there is no number left that was never used.

use std::fs;

use crate::home::{Home, eventually};
use crate::support::SECRET;

#[test]
fn after_the_highest_number_of_a_root_key_a_free_one_is_used_again() {
    let home = Home::furnished();
    let server = home.serve();
    let old = server.log_in().ok().text("refresh_token");
    server.stop();
    // As after many years: 2 to 254 are retired, and 1 still seals.
    let db = rusqlite::Connection::open(home.file("remint.db")).unwrap();
    for kid in 2..=254 {
        let insert = "INSERT INTO keys VALUES (?1, randomblob(16), 1, NULL, 2)";
        assert_eq!(db.execute(insert, [kid]).unwrap(), 1);
    }
    drop(db);
    let added = |kid: u8| {
        let done = home.json(&["key", "add"]);
        let says = format!("the root key {kid} is in ");
        assert!(done["done"].as_str().unwrap().starts_with(&says), "{done}");
    };
    added(255);
    // What was interrupted after the file was written is no obstacle.
    let file = fs::read_to_string(home.file("remint.keys")).unwrap();
    let unfinished =
        file.replace("kid = 255", "kid = 2").split("[[key]]").nth(2).unwrap().to_owned();
    fs::write(home.file("remint.keys"), format!("{file}\n[[key]]{unfinished}")).unwrap();
    added(2);
    let server = home.serve();
    added(3);
    home.run(&["key", "activate", "3"]).ok();
    eventually("the key seals", || {
        let shown = home.json(&["key", "list"]);
        shown.as_array().unwrap().iter().any(|key| key["kid"] == 3 && key["state"] == "sealing")
    });
    let new = server.refresh(&old).ok().text("refresh_token");
    assert_eq!(server.get("/health/ready").status, 200);
    let new = server.refresh(&new).ok().text("refresh_token");
    // 1 is not free while anything refers to it, and 2 and 3 are in use.
    home.run(&["key", "retire", "1", "--force"]).ok();
    added(4);
    home.run_with(&["client", "rotate-secret", "shop", "--secret-stdin"], SECRET).ok();
    assert_eq!(server.refresh(&old).status, 400, "what the old key sealed stays dead");
    let error = home.run(&["key", "activate", "5"]).failed();
    assert!(error.contains("no usable root key 5"), "{error}");
    drop(new);
}
