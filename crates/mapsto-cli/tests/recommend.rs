//! The binary on ratings, as a user runs it.

mod common;

use common::{complaint, events, mapsto, text, together_and_alone};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Numbers from 0 to below 1 that look drawn (Steele, Lea and Flood's SplitMix64).
fn unit(i: u64, j: u64) -> f64 {
    let mut x = (i << 32 | j).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) >> 11) as f64 / (1u64 << 53) as f64
}

/// Ratings of 120 users and 60 items, from 1 to 5 in halves: users and items have a level and a place on a circle, and like what is near.
/// Who likes an item rates it more often. What a user rates comes in the order of time.
fn ratings() -> String {
    let mut table = String::from("user_id:token\titem_id:token\trating:float\ttimestamp:float\n");
    for user in 0..120u64 {
        for item in 0..60u64 {
            let near = (std::f64::consts::TAU * (unit(1, user) - unit(2, item))).cos();
            let level = 3.1 + 0.8 * (unit(3, user) - 0.5) + 0.8 * (unit(4, item) - 0.5);
            let noise = 0.8 * (unit(5, user * 64 + item) - 0.5);
            let rating = (2.0 * (level + 1.2 * near + noise)).round().clamp(2.0, 10.0) / 2.0;
            if unit(6, user * 64 + item) < 0.25 + 0.2 * near {
                let time = (1000.0 * unit(7, user * 64 + item)) as u64;
                writeln!(table, "u{user}\ti{item}\t{rating}\t{time}").unwrap();
            }
        }
    }
    table
}

fn metric(event: &Value, name: &str) -> f64 {
    event[name].as_f64().unwrap_or_else(|| panic!("no {name} in {event}"))
}

fn train(folder: &Path, run: &str, more: &[&str]) -> Value {
    let train = ["train", "recommend", "--data", "ratings.inter", "--run", run, "--json"];
    events(folder, &[&train[..], more].concat()).pop().unwrap()["test"].clone()
}

#[test]
fn ratings_are_told_and_items_recommended() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ratings.inter"), ratings()).unwrap();
    let titles: String = (0..60).map(|item| format!("i{item},\"Item, the {item}th\"\n")).collect();
    fs::write(folder.join("titles.csv"), format!("item,title\n{titles}")).unwrap();
    let test =
        train(folder, "mf", &["--set", "width=8", "--set", "l2=0.05", "--epochs", "30", "--set", "titles=titles.csv"]);
    assert!(metric(&test, "rmse") < 0.75 * metric(&test, "mean_rmse"), "{test}");
    assert!(metric(&test, "ndcg") > 2.0 * metric(&test, "popular_ndcg"), "{test}");
    let eval = events(folder, &["eval", "runs/mf", "--json"]);
    assert_eq!(eval[0]["metrics"], test);
    assert!(text(folder, &["summary", "runs/mf"]).contains("Embedding"));

    // Lists hold what the user has not had, best first, and with what he had on request.
    let list =
        |set: &str| events(folder, &["predict", "runs/mf", "--text", "u7", "--set", set, "--set", "top=60", "--json"]);
    let (fresh, all) = (list("seen=false"), list("seen=true"));
    let told: Vec<f64> = fresh.iter().map(|line| metric(line, "rating")).collect();
    assert!(told.is_sorted_by(|a, b| a >= b) && told.iter().all(|rating| (1.0..=5.0).contains(rating)), "{told:?}");
    assert_eq!((all.len(), &fresh[0]["rank"]), (60, &Value::from(1)));
    assert!(fresh[0]["title"].as_str().unwrap().starts_with("Item, the "));
    let had: usize = ratings().lines().filter(|line| line.starts_with("u7\t")).count();
    assert!(fresh.len() < 60 && fresh.len() >= 60 - had, "{} of {had}", fresh.len());

    // Users and pairs in files; who is unknown gets what is known of the items.
    fs::write(folder.join("users.txt"), "u7\nu9\nu7\n").unwrap();
    let csv = text(folder, &["predict", "runs/mf", "users.txt", "--set", "top=2", "--csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (5, "input,item,rating,title"));
    let first = format!("u7,{},", fresh[0]["item"].as_str().unwrap());
    assert!(lines[1].starts_with(&first) && lines[3].starts_with("u9,"), "{csv}");
    fs::write(folder.join("pairs.csv"), "user,item\nu7,i3\nnobody,i3\nu7,nothing\nnobody,nothing\n").unwrap();
    let output = mapsto(folder, &["predict", "runs/mf", "pairs.csv", "--json"]);
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("nothing was learned of 2 users and items, as item \"nothing\""), "{warned}");
    let pairs: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<f64> = pairs.iter().map(|line| metric(line, "rating")).collect();
    let own = all.iter().find(|line| line["item"] == "i3").unwrap();
    assert!((metric(own, "rating") - told[0]).abs() < 1e-4);
    let mean: f64 =
        ratings().lines().skip(1).map(|line| line.split('\t').nth(2).unwrap().parse::<f64>().unwrap()).sum();
    let mean = mean / (ratings().lines().count() - 1) as f64;
    assert!((told[3] - mean).abs() < 0.1 && told[1] != told[3], "{told:?}, {mean}");

    // Other data: what nothing was learned of is counted.
    fs::write(folder.join("more.csv"), "user,item,rating\nu7,i3,4\nnew,i4,5\nu8,new,1\nnew,new,2\n").unwrap();
    let more = events(folder, &["eval", "runs/mf", "--data", "more.csv", "--json"]);
    assert_eq!(
        more[0]["unknown"],
        serde_json::json!({"users": 1, "items": 1, "rows": 3, "unranked": more[0]["unknown"]["unranked"]})
    );
    assert!(metric(&more[0]["metrics"], "rmse") < 3.0);
    let page = fs::read_to_string(folder.join("runs/mf/report.html")).unwrap();
    assert!(page.contains("How popular what is recommended is") && page.contains("Items near each other"));
}

#[test]
fn what_is_liked_ranks_first() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ratings.inter"), ratings()).unwrap();
    let liked = [
        "--model",
        "two_tower",
        "--set",
        "feedback=implicit",
        "--set",
        "liked=3.5",
        "--epochs",
        "20",
        "--set",
        "batch_size=64",
    ];
    for sampling in ["all", "uniform", "batch"] {
        let set = format!("sampling={sampling}");
        let test = train(folder, sampling, &[&liked[..], &["--set", &set, "--set", "negatives=20"]].concat());
        assert!(metric(&test, "ndcg") > 1.4 * metric(&test, "popular_ndcg"), "{sampling}: {test}");
        assert!(test.get("rmse").is_none());
    }
}

/// Each user goes round a ring of 30 items, now and then a step too far.
fn rounds() -> String {
    let mut table = String::from("user,item,time\n");
    for user in 0..100u64 {
        let mut item = (30.0 * unit(1, user)) as u64;
        for time in 0..12 {
            writeln!(table, "u{user},i{item},{time}").unwrap();
            item = (item + if unit(2, user * 16 + time) < 0.9 { 1 } else { 2 }) % 30;
        }
    }
    table
}

#[test]
fn what_comes_next_is_told_of_histories() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("rounds.csv"), rounds()).unwrap();
    for reader in ["attention", "gru"] {
        let set = format!("reader={reader}");
        let train =
            ["train", "recommend", "--data", "rounds.csv", "--model", "sequence", "--set", &set, "--run", reader];
        let small = ["--set", "width=16", "--set", "layers=1", "--set", "length=8", "--set", "k=1", "--json"];
        let quick = ["--set", "batch_size=10", "--set", "learning_rate=0.01", "--epochs", "25"];
        let told = events(folder, &[&train[..], &small, &quick].concat());
        let test = &told.last().unwrap()["test"];
        assert!(metric(test, "hit_rate") > 0.7, "{reader}: {test}");
        assert!(metric(test, "popular_ndcg") < 0.3, "{reader}: {test}");
        assert_eq!(events(folder, &["eval", &format!("runs/{reader}"), "--json"])[0]["metrics"], *test);
        // Nobody has a history, and still gets a list.
        let list = events(folder, &["predict", &format!("runs/{reader}"), "--text", "nobody", "--json"]);
        assert_eq!(list.len(), 10);
    }
    assert!(text(folder, &["summary", "runs/gru"]).contains("Gru"));
}

#[test]
fn several_networks_recommend_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ratings.inter"), ratings()).unwrap();
    for ensemble in ["bagging:3", "boosting:3"] {
        let run = &ensemble[..4];
        let test = train(folder, run, &["--epochs", "8", "--ensemble", ensemble]);
        let (together, alone) = together_and_alone(folder, &format!("runs/{run}"));
        assert_eq!(together, test);
        let squares: Vec<f64> = alone.iter().map(|metrics| metric(metrics, "rmse").powi(2)).collect();
        let (mean, square) = (squares.iter().sum::<f64>() / 3.0, metric(&together, "rmse").powi(2));
        assert!(square < mean - 1e-4 && !squares.contains(&square), "{ensemble}: {squares:?}, {square} as one");
    }
    for (ensemble, more) in [("snapshot:2", &[][..]), ("boosting:2", &["--set", "sampling=batch"])] {
        let run = &format!("read-{}", &ensemble[..4]);
        let train = |more| train(folder, run, &[&["--model", "sequence", "--epochs", "4"][..], more].concat());
        let test = train(&[&["--ensemble", ensemble][..], more].concat());
        let run = format!("runs/{run}");
        let (together, alone) = together_and_alone(folder, &run);
        assert_eq!((&together, alone.len()), (&test, 2));
        assert!(alone.iter().all(|metrics| metrics["ndcg"] != together["ndcg"]), "{together}, {alone:?}");
        let best = |run: &str| text(folder, &["predict", run, "--text", "u3", "--csv"]);
        assert_ne!(best(&run), best(&format!("{run}/alone-0.safetensors")));
    }
}

#[test]
fn networks_are_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ratings.inter"), ratings()).unwrap();
    for model in ["mf", "two_tower", "sequence"] {
        let of = |threads: &'static str| {
            let run = format!("{model}{threads}");
            train(folder, &run, &["--model", model, "--epochs", "1", "--threads", threads]);
            fs::read(folder.join("runs").join(&run).join("model.safetensors")).unwrap()
        };
        assert!(of("1") == of("2"), "{model}");
    }
}

#[test]
fn ratings_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = "user,item,rating\na,x,1\na,y,2\nb,x,3\nb,y,4\nc,x,5\nc,y,1\n";
    let likes = "user,item\na,x\na,y\nb,x\nb,y\nc,x\n";
    for (content, more, said) in [
        ("user,item,rating\na,x,good\n", &[][..], "\"good\" in row 1 of column \"rating\" is no number"),
        ("user\na\nb\n", &[], "there is a column for users (user) and none for items"),
        (good, &["--set", "rating=stars"], "there is no column \"stars\"; did you mean"),
        (likes, &["--set", "feedback=explicit"], "feedback=explicit needs a column of ratings"),
        (good, &["--set", "split=time"], "split=time needs a column of times"),
        (good, &["--model", "svd"], "give one of mf, two_tower, sequence"),
        (good, &["--model", "sequence", "--set", "feedback=explicit"], "tells which item comes next, not ratings"),
        (good, &["--model", "sequence", "--set", "split=random"], "give split=last or split=time"),
        (good, &["--set", "k=0"], "k is 0, it must be from 1"),
        (good, &["--set", "width=0"], "width is 0"),
        (
            good,
            &["--set", "feedback=implicit", "--set", "liked=9", "--set", "validation=0"],
            "no row to learn from is liked",
        ),
        (good, &["--target", "item"], "--target means nothing to recommend"),
        (good, &["--set", "titles=none.csv"], "cannot read none.csv"),
    ] {
        fs::write(folder.join("r.csv"), content).unwrap();
        let told = complaint(folder, &[&["train", "recommend", "--data", "r.csv"][..], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{more:?}: {told}");
    }
    let _ = fs::remove_dir_all(folder.join("runs"));
    fs::write(folder.join("r.csv"), good).unwrap();
    text(
        folder,
        &[
            "train",
            "recommend",
            "--data",
            "r.csv",
            "--epochs",
            "1",
            "--set",
            "test=0",
            "--set",
            "validation=0",
            "--run",
            "one",
        ],
    );
    for (asked, said) in [
        (&["--text", "a", "--set", "top=0"][..], "top is 0"),
        (&["--text", "a", "--set", "topp=3"], "there is no setting \"topp\""),
        (&["none.csv"], "cannot read none.csv"),
        (&[], "name a user with --text USER"),
    ] {
        let told = complaint(folder, &[&["predict", "runs/one"][..], asked].concat());
        assert!(told.contains(said), "{asked:?}: {told}");
    }
    assert!(complaint(folder, &["eval", "runs/one"]).contains("kept nothing back"));
}
