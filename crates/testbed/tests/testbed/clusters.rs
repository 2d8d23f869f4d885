use remint_testbed::*;
#[test]
fn speed() {
    let t=std::time::SystemTime::now();
    let c = postgres().unwrap();
    eprintln!("shared {:?}",t.elapsed());
    for i in 0..10 {
    let t=std::time::SystemTime::now();
    let d = c.create_database();
    eprint!("db {:?} ",t.elapsed());
    let t=std::time::SystemTime::now();
    d.execute("CREATE TABLE t(n int); INSERT INTO t SELECT generate_series(1,1000)");
    eprint!("sql {:?} ",t.elapsed());
    let t=std::time::SystemTime::now();
    drop(d);
    eprint!("drop {:?} ",t.elapsed());
    if cfg!(any()) || i < 100 {
    let t=std::time::SystemTime::now();
    let e = c.try_execute("postgres", "CREATE DATABASE x TEMPLATE template0");
    eprintln!("file_copy {:?} {e:?}",t.elapsed());
    c.execute("postgres", "DROP DATABASE x");
    }
    }
    let t=std::time::SystemTime::now();
    std::thread::scope(|s| for _ in 0..16 { s.spawn(|| { let d = c.create_database(); d.execute("select 1"); }); });
    eprintln!("16 at once {:?}",t.elapsed());
}
