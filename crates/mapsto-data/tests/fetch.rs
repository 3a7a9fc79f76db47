//! Datasets fetched from a server on this machine that does all that servers do.

mod server;

use flate2::Compression;
use flate2::write::GzEncoder;
use mapsto_data::{
    Becomes, DataSet, FetchError, FetchOptions, FetchStep, ImageSet, Part, Placed, Reads, RemoteFile, Table,
    TableOptions, fetch,
};
use server::{Answer, Server};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

fn sum(bytes: &[u8]) -> &'static str {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().leak()
}

fn remote(url: &'static str, body: &[u8], becomes: Becomes) -> RemoteFile {
    RemoteFile { url, bytes: body.len() as u64, sha256: sum(body), becomes }
}

fn set(files: Vec<RemoteFile>) -> DataSet {
    DataSet { name: "test", about: "", licence: "", home: "", reads: Reads::Pictures, files: files.leak() }
}

/// One file that stays as it is.
fn plain(body: &[u8]) -> DataSet {
    set(vec![remote("https://data.example/some/x.bin", body, Becomes::Itself("x.bin"))])
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * i / 7) as u8).collect()
}

/// A folder that is not there yet, in one that is removed.
fn place() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("set");
    (root, folder)
}

fn options(server: &Server) -> FetchOptions {
    FetchOptions { mirror: Some(server.address.clone()), patience: Duration::from_secs(10) }
}

fn go(set: &DataSet, folder: &Path, server: &Server) -> Result<Vec<Placed>, FetchError> {
    fetch(set, folder, &options(server), &mut |_| ControlFlow::Continue(()))
}

/// Somewhere else.
fn redirection(to: &str) -> Answer {
    let mut answer = Answer::status(302);
    answer.headers.push(("Location", to.to_string()));
    answer
}

/// What is in a folder, hidden or not.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_set_is_fetched_once() {
    let pictures =
        |count: u8| [&[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 2], &bytes(count as usize * 4)[..]].concat();
    let labels =
        |count: u8| [&[0, 0, 8, 1, 0, 0, 0, count][..], &(0..count).map(|i| i % 2).collect::<Vec<_>>()].concat();
    let files = [pictures(6), labels(6), pictures(4), labels(4)];
    let at = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let url = |name: &str| -> &'static str { format!("http://data.example/deep/{name}").leak() };
    let all = at.iter().zip(&files).map(|(name, body)| remote(url(name), body, Becomes::Itself(name))).collect();
    let (set, (_root, folder)) = (set(all), place());
    let server = Server::new(move |path, start| match at.iter().position(|name| path == format!("/deep/{name}")) {
        Some(index) => Answer::part(&files[index], start),
        None => Answer::status(404),
    });
    let mut steps = Vec::new();
    let placed = fetch(&set, &folder, &options(&server), &mut |step: FetchStep<'_>| {
        steps.push((step.file.to_string(), step.done, step.bytes));
        ControlFlow::Continue(())
    });
    assert!(placed.unwrap().iter().all(|file| !file.kept));
    assert_eq!(steps[0], (at[0].to_string(), 0, 16 + 24));
    assert!(steps.contains(&(at[0].to_string(), 40, 40)));
    assert_eq!(server.asked().len(), 4);
    let read = ImageSet::open(&folder).unwrap();
    assert_eq!((read.len(), read.classes().len()), (10, 2));
    assert_eq!(names(&folder).len(), 5, "{:?}", names(&folder));
    // All is there; then one file is damaged, and another is gone.
    assert!(go(&set, &folder, &server).unwrap().iter().all(|file| file.kept));
    assert_eq!(server.asked(), []);
    fs::write(folder.join(at[1]), labels(6).iter().map(|byte| byte ^ 1).collect::<Vec<_>>()).unwrap();
    fs::remove_file(folder.join(at[3])).unwrap();
    let kept: Vec<bool> = go(&set, &folder, &server).unwrap().iter().map(|file| file.kept).collect();
    assert_eq!(kept, [true, false, true, false]);
    assert_eq!(fs::read(folder.join(at[1])).unwrap(), labels(6));
}

#[test]
fn what_broke_off_goes_on() {
    let body = bytes(300_000);
    let set = plain(&body);
    let elsewhere = |mut answer: Answer| {
        answer.headers[1].1 = "bytes 5-9/10".into();
        answer
    };
    // How a second request is answered: by the rest, by all, by a refusal of ranges, by another part.
    for (way, mends) in [(0, true), (1, true), (2, true), (3, false)] {
        let (_root, folder) = place();
        let requests = AtomicUsize::new(0);
        let sent = body.clone();
        let server = Server::new(move |_, start| match (requests.fetch_add(1, Ordering::Relaxed), way, start) {
            (0, ..) => Answer::file(&sent).cut(200_000),
            (_, 0, start) => Answer::part(&sent, start),
            (_, 2, Some(_)) => Answer::status(416),
            (_, 3, Some(start)) => elsewhere(Answer::part(&sent, Some(start))),
            _ => Answer::file(&sent),
        });
        let error = go(&set, &folder, &server).unwrap_err();
        assert!(matches!(error, FetchError::Broken { got: 200_000, bytes: 300_000, .. }), "{error}");
        assert!(error.to_string().contains("/some/x.bin broke off after 200000 of 300000 bytes: "), "{error}");
        assert_eq!(names(&folder), [".mapsto-fetch", ".x.bin.part"]);
        assert_eq!(server.asked(), [("/some/x.bin".to_string(), None)]);
        let again = go(&set, &folder, &server);
        match &again {
            Err(error) => assert!(!mends && error.to_string().contains("another part than was asked for"), "{error}"),
            Ok(_) => assert!(mends),
        }
        assert_eq!(server.asked()[0].1, Some(200_000));
        if mends {
            assert_eq!(fs::read(folder.join("x.bin")).unwrap(), body);
            assert_eq!(names(&folder), [".mapsto-fetch", "x.bin"]);
        }
    }
}

#[test]
fn whoever_watches_can_stop() {
    let body = bytes(400_000);
    let (set, (_root, folder)) = (plain(&body), place());
    let server = Server::new(move |_, start| Answer::part(&body, start));
    let mut stop = |step: FetchStep<'_>| if step.done > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let error = fetch(&set, &folder, &options(&server), &mut stop).unwrap_err();
    assert!(matches!(error, FetchError::Stopped));
    assert_eq!(names(&folder), [".mapsto-fetch", ".x.bin.part"]);
    assert!(go(&set, &folder, &server).is_ok());
    assert!(server.asked()[1].1.is_some_and(|start| start > 0));
}

#[test]
fn of_a_wrong_file_nothing_is_kept() {
    let body = bytes(1000);
    let set = plain(&body);
    let other: Vec<u8> = body.iter().map(|byte| byte ^ 1).collect();
    let longer = [&body[..], b"more"].concat();
    let chunked = |body: &[u8]| Answer {
        headers: vec![("Transfer-Encoding", "chunked".into())],
        body: [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat(),
        ..Answer::file(b"")
    };
    let sums = format!("its SHA-256 is {}, not {}; nothing of it was kept", sum(&other), sum(&body));
    for (answer, said) in [
        (Answer::file(&other), &sums[..]),
        (Answer::file(&longer), "it has 1004 bytes, not 1000"),
        (chunked(&longer), "it has more bytes, not 1000"),
        (Answer::file(&body[..999]), "it has 999 bytes, not 1000"),
        (Answer::status(404), "status 404; the file has moved: a mirror may have it"),
        (Answer::status(503), "status 503; try again later"),
        (redirection("/some/x.bin"), "too many redirects"),
        (redirection("ftp://127.0.0.1/x"), "cannot fetch "),
        (
            Answer { body: b"".to_vec(), headers: vec![("Content-Length", "x".into())], ..Answer::file(b"") },
            "cannot fetch ",
        ),
    ] {
        let (root, folder) = place();
        let server = Server::new(move |_, _| answer.clone());
        let error = go(&set, &folder, &server).unwrap_err().to_string();
        assert!(error.contains(said), "{error}\n{said}");
        assert!(error.contains(&format!("{}/some/x.bin", server.address)), "{error}");
        assert_eq!(names(root.path()), [""; 0], "{error}");
    }
    let (_root, folder) = place();
    assert!(go(&set, &folder, &Server::new(move |_, _| chunked(&body))).is_ok());
}

#[test]
fn redirections_are_followed_with_ranges() {
    let body = bytes(5000);
    let (set, (_root, folder)) = (plain(&body), place());
    let elsewhere = Server::new(move |_, start| match start {
        None => Answer::file(&body).cut(10),
        start => Answer::part(&body, start),
    });
    let to = format!("{}/new", elsewhere.address);
    let server = Server::new(move |path, _| redirection(if path == "/some/x.bin" { "../hop" } else { &to }));
    assert!(matches!(go(&set, &folder, &server), Err(FetchError::Broken { got: 10, .. })));
    assert!(go(&set, &folder, &server).is_ok());
    assert_eq!(elsewhere.asked(), [("/new".to_string(), None), ("/new".to_string(), Some(10))]);
}

#[test]
fn silence_is_not_waited_for_long() {
    let body = bytes(1000);
    let set = plain(&body);
    let patience = Duration::from_millis(200);
    for (answer, kept) in [
        (Answer { hangs: true, ..Answer::file(&body).cut(600) }, true),
        (Answer { hangs: true, ..Answer::file(&body).cut(0) }, false),
        (Answer { hangs: true, ..Answer::default() }, false),
    ] {
        let (_root, folder) = place();
        let server = Server::new(move |_, _| answer.clone());
        let options = FetchOptions { patience, ..options(&server) };
        let error = fetch(&set, &folder, &options, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("timeout"), "{error}");
        assert_eq!(folder.join(".x.bin.part").exists(), kept, "{error}");
    }
}

#[test]
fn without_a_network_there_is_a_word() {
    let set = plain(b"x");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let said = |mirror: String| {
        let (root, folder) = place();
        let options = FetchOptions { mirror: Some(mirror), patience: Duration::from_secs(5) };
        let error = fetch(&set, &folder, &options, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert_eq!(names(root.path()), [""; 0], "{error}");
        error
    };
    let refused = said(format!("http://{closed}"));
    assert!(refused.starts_with(&format!("cannot fetch http://{closed}/some/x.bin: ")), "{refused}");
    assert!(refused.ends_with("is there a network? A mirror or a proxy can stand between"), "{refused}");
    for mirror in ["", "localhost:80", "ftp://host", "http://"] {
        assert!(said(mirror.into()).contains("is no address of a mirror"), "{mirror}");
    }
}

#[test]
fn what_is_in_the_way_stays() {
    let body = bytes(100);
    let set = plain(&body);
    let (root, folder) = place();
    let sent = body.clone();
    let server = Server::new(move |_, start| Answer::part(&sent, start));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x.bin"), "mine").unwrap();
    let error = go(&set, &folder, &server).unwrap_err().to_string();
    assert!(error.ends_with("x.bin is there and is something else: choose another folder, or move it away"), "{error}");
    assert_eq!((fs::read(folder.join("x.bin")).unwrap(), server.asked()), (b"mine".to_vec(), vec![]));
    // One that was fetched by other means is kept.
    fs::write(folder.join("x.bin"), &body).unwrap();
    assert!(go(&set, &folder, &server).unwrap()[0].kept);
    fs::remove_file(folder.join("x.bin")).unwrap();
    // Two at once.
    let error = fetch(&set, &folder, &options(&server), &mut |_| match go(&set, &folder, &server) {
        Err(FetchError::Busy(_)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(error, Err(FetchError::Stopped)), "{error:?}");
    go(&set, &folder, &server).unwrap();
    let other = DataSet { name: "other", ..set };
    assert!(go(&other, &folder, &server).unwrap_err().to_string().ends_with("holds \"test\": choose another folder"));
    let nowhere = go(&set, &root.path().join("set/x.bin/inside"), &server).unwrap_err().to_string();
    assert!(nowhere.starts_with("cannot make the folder "), "{nowhere}");
    let nowhere = go(&set, &root.path().join("no/such"), &server).unwrap_err().to_string();
    assert!(nowhere.starts_with("cannot make the folder "), "{nowhere}");
}

/// A gzipped tar archive of files, whose names may be such as no builder would write.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, body) in files {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("it is new").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, *body).expect("memory");
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "top/a/link.png", "/etc/passwd").expect("memory");
    tar.into_inner().and_then(GzEncoder::finish).expect("memory")
}

/// A set of one archive, and a server that has it.
fn of_archive(body: Vec<u8>, becomes: Becomes) -> (DataSet, Server) {
    let set = set(vec![remote("https://data.example/set.tar.gz", &body, becomes)]);
    (set, Server::new(move |_, start| Answer::part(&body, start)))
}

const FILES: Becomes = Becomes::Files { inside: "top", takes: &["a", "b"] };

#[test]
fn archives_are_unpacked_into_the_folder_alone() {
    let body = archive(&[
        ("top/a/1.png", b"one"),
        ("./top/b/deep/2.png", b"two"),
        ("top/c/3.png", b"three"),
        ("top/a/../../../evil.png", b"evil"),
        ("../top/a/evil.png", b"evil"),
        ("/top/a/evil.png", b"evil"),
        ("other/a/4.png", b"four"),
    ]);
    let (set, server) = of_archive(body, FILES);
    let (root, folder) = place();
    assert_eq!(go(&set, &folder, &server).unwrap()[0].paths, [folder.join("a"), folder.join("b")]);
    assert_eq!(names(&folder), [".mapsto-fetch", "a", "b"]);
    assert_eq!((names(&folder.join("a")), names(root.path())), (vec!["1.png".to_string()], vec!["set".to_string()]));
    assert_eq!(fs::read(folder.join("b/deep/2.png")).unwrap(), b"two");
    assert!(go(&set, &folder, &server).unwrap()[0].kept);
    assert_eq!(server.asked().len(), 1);
    // What a crash left, and a folder that somebody removed.
    fs::create_dir_all(folder.join(".mapsto-unpacking/a/x")).unwrap();
    fs::remove_dir_all(folder.join("b")).unwrap();
    assert!(!go(&set, &folder, &server).unwrap()[0].kept);
    assert_eq!(names(&folder), [".mapsto-fetch", "a", "b"]);
}

#[test]
fn archives_that_are_wrong_leave_nothing() {
    let bomb = |bytes: usize| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&archive_head("top/a/1.png", bytes)).expect("memory");
        gzip.write_all(&vec![0; bytes]).expect("memory");
        gzip.finish().expect("memory")
    };
    let whole = archive(&[("top/a/1.png", &bytes(5000)), ("top/b/1.png", b"two")]);
    for (body, said) in [
        (bomb(64 << 20), "it unpacks to more than "),
        (archive(&[("top/a/1.png", b"one")]), "there is no \"b\" in it"),
        (whole[..whole.len() / 2].to_vec(), "cannot unpack "),
        (b"no archive".to_vec(), "cannot unpack "),
    ] {
        let (set, server) = of_archive(body, FILES);
        let (root, folder) = place();
        let error = go(&set, &folder, &server).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(names(root.path()), [""; 0], "{error}");
    }
}

fn archive_head(name: &str, bytes: usize) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).expect("a name");
    header.set_size(bytes as u64);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A record of CIFAR: labels, then red, green and blue, which tell where they are.
fn record(labels: &[u8], shade: u8) -> Vec<u8> {
    let plane = |colour: u8| (0..1024u32).map(move |i| (i as u8).wrapping_mul(colour).wrapping_add(shade));
    labels.iter().copied().chain(plane(1)).chain(plane(2)).chain(plane(3)).collect()
}

#[test]
fn cifar_becomes_folders_of_pictures() {
    let train = [record(&[7, 1], 0), record(&[7, 0], 1), record(&[7, 1], 2)].concat();
    let test = [record(&[0, 1], 3)].concat();
    let files: &[(&str, &[u8])] = &[
        ("c/test.bin", &test),
        ("c/train.bin", &train),
        ("c/names.txt", b"cat\ndog\n\n"),
        ("c/readme.html", b"words"),
    ];
    let becomes = Becomes::Cifar { labels: 2, names: "names.txt" };
    let (set, server) = of_archive(archive(files), becomes);
    let (_root, folder) = place();
    go(&set, &folder, &server).unwrap();
    assert_eq!(names(&folder), [".mapsto-fetch", "test", "train"]);
    assert_eq!(names(&folder.join("train/dog")), ["00000.png", "00002.png"]);
    let read = ImageSet::open(&folder).unwrap();
    assert_eq!(read.classes(), ["cat", "dog"]);
    assert_eq!((read.part(Part::Train).len(), read.part(Part::Test).len()), (3, 1));
    let picture = image::open(folder.join("train/cat/00001.png")).unwrap().into_rgb8();
    let at = |x: u8, y: u8| {
        let i = y.wrapping_mul(32).wrapping_add(x);
        [1, 2, 3].map(|colour: u8| i.wrapping_mul(colour).wrapping_add(1))
    };
    assert_eq!((picture.get_pixel(5, 3).0, picture.get_pixel(31, 30).0), (at(5, 3), at(31, 30)));
    for (files, said) in [
        (&[("c/test.bin", &test[..]), ("c/train.bin", &train), ("c/names.txt", b"cat")][..], "there is no class 1"),
        (&[("c/test.bin", &test), ("c/train.bin", &train[..5000]), ("c/names.txt", b"cat\ndog")], "is cut off"),
        (&[("c/test.bin", &test), ("c/train.bin", &train), ("c/names.txt", b"cat\n../dog")], "is no name of a class"),
        (&[("c/test.bin", &test), ("c/train.bin", &train)], "there are no names of classes"),
        (&[("c/train.bin", &train), ("c/names.txt", b"cat\ndog")], "it has 3 pictures to train on and 0 to test on"),
    ] {
        let (set, server) = of_archive(archive(files), becomes);
        let (root, folder) = place();
        let error = go(&set, &folder, &server).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(names(root.path()), [""; 0], "{error}");
    }
}

#[test]
fn rows_become_a_table_with_names() {
    let body = b"|1x3 Cross validator\n25, Private, <=50K.\r\n38, ?, >50K.\n\n50, Local, >50K | said twice\n";
    let becomes = Becomes::Rows { file: "rows.csv", columns: &["age", "work", "income"] };
    let (set, server) = of_archive(body.to_vec(), becomes);
    let (_root, folder) = place();
    go(&set, &folder, &server).unwrap();
    assert_eq!(names(&folder), [".mapsto-fetch", "rows.csv"]);
    let text = fs::read_to_string(folder.join("rows.csv")).unwrap();
    assert_eq!(text, "age,work,income\n25,Private,<=50K\n38,?,>50K\n50,Local,>50K\n");
    assert_eq!(Table::read(&folder.join("rows.csv"), &TableOptions::default()).unwrap().rows(), 3);
    let (set, server) = of_archive(b"1,2,3\n1,2\n".to_vec(), becomes);
    let (root, folder) = place();
    let error = go(&set, &folder, &server).unwrap_err().to_string();
    assert!(error.ends_with("line 2 has 2 fields, not 3"), "{error}");
    assert_eq!(names(root.path()), [""; 0]);
}
