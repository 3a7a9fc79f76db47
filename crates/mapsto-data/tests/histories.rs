//! Tables over time.

use mapsto_data::{ClockStep, Histories, HistoryColumns};
use std::fs;

fn columns(targets: &[&str]) -> HistoryColumns {
    HistoryColumns { targets: targets.iter().map(|name| name.to_string()).collect(), ..HistoryColumns::default() }
}

fn read(text: &str, columns: &HistoryColumns) -> Result<Histories, String> {
    read_with(text, columns, false)
}

fn read_with(text: &str, columns: &HistoryColumns, average: bool) -> Result<Histories, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.csv");
    fs::write(&path, text).expect("a file");
    Histories::read(&path, columns, average)
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "x.csv"))
}

#[test]
fn gaps_are_filled_and_rows_sorted_and_it_is_said() {
    let text = "day,x,y\n2020-01-05,5,1\n2020-01-01,1,\n2020-01-02,,2\n2020-01-03,3,3\n";
    let found = read(text, &columns(&["x"])).unwrap();
    let one = &found.all[0];
    assert_eq!((one.length, &one.values[0][..]), (5, &[1.0, 2.0, 3.0, 4.0, 5.0][..]));
    assert_eq!(one.values[1], [2.0, 2.0, 3.0, 2.0, 1.0]);
    assert_eq!(found.clock.step, ClockStep::Even(86_400.0));
    assert_eq!(found.notes.len(), 2);
    assert_eq!(found.notes[0], "rows are not in order of time: they are sorted");
    assert_eq!(found.notes[1], "filled by straight lines: missing steps 1, values 2, first \"x\" at 2020-01-02");
}

#[test]
fn several_series_stand_in_one_table() {
    let text = "s,t,x\nb,1,5\na,1,1\nb,2,5\na,2,2\nb,3,5\na,4,4\n";
    let found = read(text, &HistoryColumns { series: Some("s".into()), ..columns(&["x"]) }).unwrap();
    let told: Vec<(&str, usize, f64)> = found.all.iter().map(|one| (&one.name[..], one.length, one.start)).collect();
    assert_eq!(told, [("b", 3, 1.0), ("a", 4, 1.0)]);
    assert_eq!(found.all[1].values[0], [1.0, 2.0, 3.0, 4.0]);
    assert!(found.notes.contains(&"constant: \"b\"".to_string()), "{:?}", found.notes);
}

#[test]
fn the_future_is_known_where_it_is_told() {
    let text = "t,x,holiday,price,word\n2020-01-31,1,no,5,a b c d e\n2020-02-29,2,yes,,b c d e f\n2020-03-31,,no,7,c d e f g\n2020-04-30,,yes,8,d e f g h\n";
    let found = read(text, &HistoryColumns { known: vec!["holiday".into()], ..columns(&["x"]) }).unwrap();
    let one = &found.all[0];
    assert_eq!((found.clock.step, one.length), (ClockStep::MonthEnds(1), 2));
    // The target, the price up to the last of it, and whether it is no holiday or one.
    assert_eq!(one.values, [vec![1.0, 2.0], vec![5.0, 5.0], vec![1.0, 0.0, 1.0, 0.0], vec![0.0, 1.0, 0.0, 1.0]]);
    assert!(found.notes.iter().any(|note| note.contains("left out: \"word\"")), "{:?}", found.notes);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.csv");
    fs::write(&path, "t,x,holiday,price,word\n2020-05-31,1,no,5,a\n2020-06-30,3,no,6,b\n").unwrap();
    let more = Histories::read_like(&path, &found.layout, found.clock, false).unwrap();
    assert_eq!(more.all[0].values[3], [0.0, 0.0]);
    fs::write(&path, "t,x,holiday,price,word\n2020-05-30,1,no,5,a\n2020-06-14,3,no,6,b\n").unwrap();
    let told = Histories::read_like(&path, &found.layout, found.clock, false).unwrap_err().to_string();
    assert!(told.ends_with("a step is 1 month, but 2020-06-14 comes behind 2020-05-30"), "{told}");
}

#[test]
fn dates_may_be_numbers_and_rows_of_one_time_become_one() {
    let text = "date,x\n20200228,1\n20200229,3\n20200229,5\n20200301,7\n";
    let found = read_with(text, &columns(&["x"]), true).unwrap();
    assert_eq!(found.all[0].values[0], [1.0, 4.0, 7.0]);
    assert_eq!(found.notes, ["rows with a time that others have, whose means count: 1"]);
    let told = read(text, &columns(&["x"])).unwrap_err();
    assert!(told.starts_with("x.csv: rows 2 and 3 have the same time, 2020-02-29: leave one out"), "{told}");
    assert!(told.contains("duplicates=mean"), "{told}");
}

#[test]
fn months_quarters_and_years_are_points_in_time() {
    for (text, step, next) in [
        ("Month,x\n1949-01,112\n1949-02,118\n1949-03,132\n", "1 month", "1949-04-01"),
        ("m,x\nJan-49,112\nFeb-49,118\nMar-49,132\n", "1 month", "1949-04-01"),
        ("m,x\nOct 1949,112\nNov 1949,118\nDec 1949,132\n", "1 month", "1950-01-01"),
        ("q,x\n1991 Q3,1\n1991 Q4,2\n1992 Q1,3\n", "3 months", "1992-04-01"),
        ("season,x\n1991-Q1,1\n1991-Q2,2\n1991-Q3,3\n", "3 months", "1991-10-01"),
        // Years that are called something else, beside a target that could be some.
        ("x,jahr\n1700,1700\n1800,1701\n1900,1702\n", "1", "1703"),
    ] {
        let found = read(text, &columns(&["x"])).unwrap();
        assert_eq!(found.clock.step_text(), step, "{text}");
        assert_eq!(found.clock.text(found.clock.at(found.all[0].start, 3)), next, "{text}");
    }
    let told = read("years,x\n1700,1\n1701.5,2\n", &columns(&["x"])).unwrap_err();
    assert!(told.contains("no column holds times"), "{told}");
}

#[test]
fn mistakes_are_named() {
    let of = |text: &str| read(text, &columns(&["x"])).unwrap_err();
    assert!(of("day,x\nMonday,1\nTuesday,2\n").contains("no column holds times: name it with --set time=COLUMN"));
    assert!(of("t,y\n1,1\n2,2\n").contains("there is no column \"x\"; did you mean"));
    assert!(of("t,x\n1,red\n2,blue\n3,red\n").contains("\"x\" is a column of kind category: numbers are forecast"));
    assert!(of("t,x\n1,1\n,2\n").contains("row 2 has no time in \"t\""));
    assert!(of("t,x\n1,1\n2,inf\n").contains("\"x\" is inf in row 2, too large a number"));
    assert!(of("t,x\n1,\n2,\n").contains("there are no numbers in \"x\""));
    assert!(of("t,x\n1,5\n").contains("there are fewer than two points in time"));
    let told = of("t,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-03T12:00,4\n");
    assert!(told.contains("2020-01-03T12:00:00 comes behind 2020-01-03: give values at equal distances"), "{told}");
    let told = of("t,x\n1,1\n2,2\n3,3\n1000000000000,4\n");
    assert!(told.contains("4 rows reach over 1000000000000 steps of 1: is a time wrong?"), "{told}");
    let named = |change: &dyn Fn(&mut HistoryColumns)| {
        let mut columns = columns(&["x"]);
        change(&mut columns);
        read("t,x,y\n1,1,1\n2,2,2\n", &columns).unwrap_err()
    };
    assert!(named(&|columns| columns.known = vec!["x".into()]).contains("\"x\" is named twice"));
    assert!(named(&|columns| columns.time = Some("z".into())).contains("there is no column \"z\""));
    assert!(named(&|columns| columns.series = Some("s".into())).contains("there is no column \"s\""));
}
