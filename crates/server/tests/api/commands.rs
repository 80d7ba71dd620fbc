//! The small commands, by way of the binary.

use std::os::unix::fs::PermissionsExt as _;

use crate::config::Folder;

#[test]
fn migrations_go_up_and_down() {
    let folder = Folder::new();
    let migrate = |arguments: &[&str]| -> Vec<bool> {
        let run = folder.run(&[&["migrate"], arguments].concat(), &[]);
        assert_eq!(run.code, 0, "{run:?}");
        let applied = |line: &str| match line.split_once(' ').unwrap().0 {
            "applied" => true,
            "pending" => false,
            _ => panic!("{line}"),
        };
        run.said.lines().map(applied).collect()
    };
    let steps = migrate(&["status"]).len();
    assert!(steps >= 3);
    let (all, none) = (vec![true; steps], vec![false; steps]);
    assert_eq!(migrate(&["status"]), none, "asking changes nothing");
    assert_eq!(migrate(&[]), all);
    assert_eq!(migrate(&["status"]), all);
    assert_eq!(migrate(&["down"]), [&all[1..], &[false]].concat());
    assert_eq!(migrate(&["up"]), all);
    assert_eq!(migrate(&["down", "--steps", &steps.to_string()]), none);
    assert_eq!(migrate(&["up"]), all);
    assert_eq!(migrate(&["up"]), all, "nothing left to do");
    for name in ["docket.db", "docket.db.lock"] {
        let file = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name} is its owner's alone");
    }
    // Also when the address says more than the file's name.
    let environment = [("DOCKET_DATABASE__URL", "sqlite:more.db?mode=rwc")];
    assert_eq!(folder.run(&["migrate"], &environment).code, 0);
    let file = std::fs::metadata(folder.path().join("more.db")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_has_no_logins_to_be_let_serve() {
    let folder = Folder::new();
    let run = folder.run(&["migrate", "up", "--grant", "docket_server"], &[]);
    assert_eq!(
        (run.code, run.error.contains("--grant: an SQLite file has no logins")),
        (64, true),
        "{run:?}"
    );
    assert!(!folder.path().join("docket.db").exists(), "nothing has been done");
    for wrong in [&["--grant", ""][..], &["--grant", "a,,b"], &["--grant"]] {
        assert_eq!(folder.run(&[&["migrate", "up"], wrong].concat(), &[]).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_database_is_one_process_s_alone() {
    let folder = Folder::new();
    let url = docket_store::url_of(&folder.path().join("docket.db"));
    let taken = docket_store::Config { url, ..Default::default() };
    let lock = docket_store::Lock::take(&taken).unwrap();
    let alone = [
        ("DOCKET_DAPR__ENABLED", "false"),
        ("DOCKET_LISTEN__PUBLIC", "127.0.0.1:0"),
        ("DOCKET_LISTEN__ADMIN", ""),
    ];
    for command in [&["serve"][..], &["migrate"], &["migrate", "down"]] {
        let run = folder.run(command, &alone);
        assert_eq!(run.code, 1, "{command:?}: {run:?}");
        assert!(run.error.contains("docket.db is in use by another process"), "{command:?}: {run:?}");
    }
    for command in [&["migrate", "status"][..], &["token", "--user", "alice"]] {
        assert_eq!(folder.run(command, &alone).code, 0, "{command:?} changes nothing");
    }
    // By another name it is the same file.
    std::os::unix::fs::symlink(folder.path().join("docket.db"), folder.path().join("other.db")).unwrap();
    let other = [("DOCKET_DATABASE__URL", "sqlite:other.db")];
    assert_eq!(folder.run(&["migrate"], &other).code, 1);
    drop(lock);
    assert_eq!(folder.run(&["migrate"], &other).code, 0);
}

#[test]
fn the_version_is_told() {
    let run = Folder::new().run(&["--version"], &[]);
    assert_eq!((run.code, run.said), (0, format!("docket {}\n", env!("CARGO_PKG_VERSION"))));
}
