//! What a recommender answers: the items for users, or how users will like items.

use super::config::{Answering, Feedback};
use super::rank::{Asked, Asker};
use super::{Recommend, Recommender};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use mapsto_data::{Named, RatingColumns, Ratings};
use mapsto_models::Mixture;
use mapsto_train::metrics::top;
use mapsto_train::short;
use serde_json::json;

/// Pairs that are answered at once.
const AT_ONCE: usize = 8192;

/// What the network's outputs are called.
fn output(predictor: &Predictor<Recommend>) -> &'static str {
    match predictor.settings.config.feedback {
        Feedback::Explicit => "rating",
        Feedback::Implicit => "score",
    }
}

/// The headings of a table of predictions, after that of the user.
pub(super) fn columns(predictor: &Predictor<Recommend>) -> Vec<String> {
    let title = (!predictor.preparation.titles.is_empty()).then(|| "title".to_string());
    ["item".to_string(), output(predictor).to_string()].into_iter().chain(title).collect()
}

/// Answers a question.
pub(super) fn answer(
    predictor: &Predictor<Recommend>,
    question: &Question,
    listener: &mut dyn Listener,
) -> Result<(), TaskError> {
    let how: Answering = question.settle()?;
    how.check()?;
    if question.files.is_empty() && question.texts.is_empty() {
        return Err(TaskError::input("name a user with --text USER, or give a table of users, or of users and items"));
    }
    let own = &predictor.settings.config;
    let named = |asked: &String, own: &String| {
        Some(if asked.is_empty() { own } else { asked }).filter(|name| !name.is_empty()).cloned()
    };
    let columns = RatingColumns {
        user: named(&how.user, &own.user),
        item: named(&how.item, &own.item),
        ..RatingColumns::default()
    };
    let networks = predictor.mixture(|network| network)?;
    let mut teller = Teller::new(predictor, &networks, &how)?;
    let texts: Vec<&str> = question.texts.iter().map(|text| text.trim()).collect();
    teller.lists(&texts, listener)?;
    for path in &question.files {
        let Ratings { users, items, .. } = Ratings::read_any(path, &columns).map_err(TaskError::input)?;
        if items.codes.is_empty() {
            teller.lists(&each_once(&users), listener)?;
        } else {
            teller.pairs(&users, &items, listener)?;
        }
    }
    teller.unknown.sort_unstable();
    teller.unknown.dedup();
    if let Some(first) = teller.unknown.first() {
        let (count, what) = (teller.unknown.len(), "nothing was learned of");
        let told = match count {
            1 => format!("{what} {first}"),
            _ => format!("{what} {count} users and items, as {first}"),
        };
        listener.warn(&format!("{told}: what is known of the others is told"));
    }
    Ok(())
}

/// The users, each where it comes first.
fn each_once(users: &Named) -> Vec<&str> {
    let mut seen = vec![false; users.names.len()];
    let codes = users.codes.iter().map(|&code| code as usize);
    let first = codes.filter(|&code| !std::mem::replace(&mut seen[code], true));
    first.map(|code| users.names[code].as_str()).collect()
}

/// Who tells.
struct Teller<'a> {
    predictor: &'a Predictor<Recommend>,
    how: &'a Answering,
    asked: Asked<'a>,
    users: std::collections::HashMap<&'a str, u32>,
    items: std::collections::HashMap<&'a str, u32>,
    histories: super::Histories,
    /// Names that are not known, as a person is told of them.
    unknown: Vec<String>,
}

impl<'a> Teller<'a> {
    fn new(
        predictor: &'a Predictor<Recommend>,
        networks: &'a Mixture<'a, Recommender>,
        how: &'a Answering,
    ) -> Result<Teller<'a>, TaskError> {
        let preparation = &predictor.preparation;
        Ok(Teller {
            predictor,
            how,
            asked: Asked { model: &predictor.settings.config.model, networks, preparation },
            users: preparation.user_numbers(),
            items: preparation.item_numbers(),
            histories: networks.first().histories(preparation)?,
            unknown: Vec::new(),
        })
    }

    fn asker(&mut self, user: &str) -> Asker {
        let number = self.users.get(user).copied().unwrap_or(0);
        if number == 0 {
            self.unknown.push(format!("user {user:?}"));
        }
        Asker { number, history: self.histories.user(number as usize).to_vec() }
    }

    /// The network's output as it is told.
    fn value(&self, output: f64) -> f64 {
        match self.predictor.settings.config.feedback {
            Feedback::Explicit => self.predictor.preparation.rating(output),
            Feedback::Implicit => output,
        }
    }

    /// What is said of a user and an item, by its number where it is known, and its place in a list.
    fn prediction(&self, user: &str, item: &str, number: usize, output: f64, rank: Option<usize>) -> Prediction {
        let (value, name) = (self.value(output), self::output(self.predictor));
        let titles = &self.predictor.preparation.titles;
        let title = number.checked_sub(1).and_then(|place| titles.get(place)).map_or("", String::as_str);
        let mut fields = json!({"user": user, "item": item, name: value});
        if let Some(rank) = rank {
            fields["rank"] = rank.into();
        }
        let mut cells = vec![item.to_string(), value.to_string()];
        if !titles.is_empty() {
            fields["title"] = title.into();
            cells.push(title.to_string());
        }
        let shown = if title.is_empty() { item.to_string() } else { format!("{item} ({title})") };
        Prediction { input: user.to_string(), text: format!("{shown} {}", short(value)), cells, fields }
    }

    /// The best items of each user.
    fn lists(&mut self, users: &[&str], listener: &mut dyn Listener) -> Result<(), TaskError> {
        let askers: Vec<Asker> = users.iter().map(|user| self.asker(user)).collect();
        let (asked, how) = (self.asked, self.how);
        asked.rank(&askers, &mut |place, scores| {
            if !how.seen {
                askers[place].history.iter().for_each(|&item| scores[item as usize - 1] = f32::NEG_INFINITY);
            }
            for (rank, item) in top(scores, how.top)?.into_iter().enumerate() {
                let name = &asked.preparation.items[item];
                let score = f64::from(scores[item]);
                listener.answer(self.prediction(users[place], name, item + 1, score, Some(rank + 1)))?;
            }
            Ok(())
        })
    }

    /// How each user will like the item beside it.
    fn pairs(&mut self, users: &Named, items: &Named, listener: &mut dyn Listener) -> Result<(), TaskError> {
        let askers: Vec<Asker> = users.names.iter().map(|user| self.asker(user)).collect();
        let number = |item: &String| self.items.get(item.as_str()).copied().unwrap_or(0);
        let numbers: Vec<u32> = items.names.iter().map(number).collect();
        let unknown = items.names.iter().zip(&numbers).filter(|(_, number)| **number == 0);
        let unknown: Vec<String> = unknown.map(|(item, _)| format!("item {item:?}")).collect();
        self.unknown.extend(unknown);
        let rows: Vec<(usize, usize)> =
            users.codes.iter().zip(&items.codes).map(|(&user, &item)| (user as usize, item as usize)).collect();
        for rows in rows.chunks(AT_ONCE) {
            let pairs: Vec<(&Asker, u32)> = rows.iter().map(|&(user, item)| (&askers[user], numbers[item])).collect();
            for (&(user, item), output) in rows.iter().zip(self.asked.pairs(&pairs)?) {
                let (user, number) = (&users.names[user], numbers[item] as usize);
                listener.answer(self.prediction(user, &items.names[item], number, output, None))?;
            }
        }
        Ok(())
    }
}
