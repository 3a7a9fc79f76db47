//! `mapsto data`: what a user's data is, before anything is trained on it, and public data to begin with.

mod fetch;
mod inspect;
mod preview;

use crate::failure::Failure;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Tell what a table, pictures or other data hold and what looks wrong in them
    #[command(
        after_help = "Examples:\n  mapsto data inspect table.csv\n  mapsto data inspect table.csv --target price --json\n  mapsto data inspect photos\n  mapsto data inspect GunPoint_TRAIN.ts\n  mapsto data inspect ratings.csv --task recommend"
    )]
    Inspect(inspect::Arguments),
    /// Write a sheet of pictures as they are and as they are changed by chance
    #[command(
        after_help = "Examples:\n  mapsto data preview photos\n  mapsto data preview photos --augment strong --out strong.png\n  mapsto data preview list.csv --step rotate --count 3 --seed 7\n  mapsto data preview photos --augment mine.toml\n\nA file has steps with their settings:\n  steps = [\n    { name = \"random_resized_crop\", height = 160, width = 160, scale = [0.25, 1.0] },\n    { name = \"colour_jitter\", brightness = 0.2, hue = 0.05 },\n  ]"
    )]
    Preview(preview::Arguments),
    /// Fetch a public dataset, check it and lay it out for training; or list those that there are
    #[command(
        after_help = "Examples:\n  mapsto data fetch\n  mapsto data fetch mnist && mapsto train image --data mnist\n  mapsto data fetch adult --to census --json\n\nFiles are checked by their SHA-256, and those that are there are kept. What broke off goes on where it was.\n\nEnvironment:\n  MAPSTO_MIRROR             stands in place of scheme and host of every address: http://localhost:8000, https://HOST/PATH\n  HTTPS_PROXY, HTTP_PROXY   proxies; NO_PROXY names hosts that need none\n  SSL_CERT_FILE             certificates in place of the system's"
    )]
    Fetch(fetch::Arguments),
}

pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Preview(arguments) => preview::run(arguments),
        Command::Fetch(arguments) => fetch::run(arguments),
    }
}
