//! How a person is addressed at the beginning of a letter, without the comma behind it.
//! Called by the function `salutation`.

use super::locale::{Language, Locale};

/// What is known of a person. Empty: not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Person<'a> {
    /// `f`, `m` or anything else; the words of the languages are understood too.
    pub gender: &'a str,
    /// Title, such as `Dr.`.
    pub title: &'a str,
    /// Given name.
    pub first_name: &'a str,
    /// Family name.
    pub last_name: &'a str,
}

#[derive(Clone, Copy)]
enum Gender {
    Female,
    Male,
}

fn gender(text: &str) -> Option<Gender> {
    match text.trim().to_lowercase().as_str() {
        "f" | "female" | "w" | "weiblich" | "frau" | "mrs" | "ms" | "mme" | "mevrouw" | "sra" | "pani" => {
            Some(Gender::Female)
        }
        "m" | "male" | "männlich" | "herr" | "mr" | "heer" | "sr" | "pan" => Some(Gender::Male),
        _ => None,
    }
}

/// The line for a person in a language: polite, and neutral where the gender or the name is not known.
pub fn salutation(person: Person<'_>, locale: Locale) -> String {
    use Gender::{Female, Male};
    let Person { title, first_name, last_name, .. } = person;
    let gender = gender(person.gender);
    if last_name.trim().is_empty() && first_name.trim().is_empty() {
        return nobody(locale).to_owned();
    }
    let named = if last_name.trim().is_empty() { None } else { gender };
    match (locale.language(), named) {
        // In an English letter a title takes the place of Ms and Mr.
        (Language::English, Some(_)) if !title.trim().is_empty() => words(&["Dear", title, last_name]),
        (Language::English, Some(Female)) => words(&["Dear Ms", last_name]),
        (Language::English, Some(Male)) => words(&["Dear Mr", last_name]),
        (Language::English, None) => words(&["Dear", title, first_name, last_name]),
        (Language::German, Some(Female)) => words(&["Sehr geehrte Frau", title, last_name]),
        (Language::German, Some(Male)) => words(&["Sehr geehrter Herr", title, last_name]),
        (Language::German, None) => words(&["Guten Tag", title, first_name, last_name]),
        // French and Polish letters do not say the name here.
        (Language::French, Some(Female)) => words(&["Madame", title]),
        (Language::French, Some(Male)) => words(&["Monsieur", title]),
        (Language::French, None) => words(&["Bonjour", title, first_name, last_name]),
        (Language::Dutch, Some(Female)) => words(&["Geachte mevrouw", title, last_name]),
        (Language::Dutch, Some(Male)) => words(&["Geachte heer", title, last_name]),
        (Language::Dutch, None) => words(&["Geachte", title, first_name, last_name]),
        (Language::Spanish, Some(Female)) => words(&["Estimada Sra.", title, last_name]),
        (Language::Spanish, Some(Male)) => words(&["Estimado Sr.", title, last_name]),
        (Language::Spanish, None) => words(&["Hola,", title, first_name, last_name]),
        (Language::Italian, Some(Female)) => words(&["Gentile Sig.ra", title, last_name]),
        (Language::Italian, Some(Male)) => words(&["Egregio Sig.", title, last_name]),
        (Language::Italian, None) => words(&["Buongiorno", title, first_name, last_name]),
        (Language::Polish, Some(Female)) => "Szanowna Pani".to_owned(),
        (Language::Polish, Some(Male)) => "Szanowny Panie".to_owned(),
        (Language::Polish, None) => "Szanowni Państwo".to_owned(),
    }
}

/// The line when no name is known.
fn nobody(locale: Locale) -> &'static str {
    match locale.language() {
        Language::English => "Dear Sir or Madam",
        Language::German => "Sehr geehrte Damen und Herren",
        Language::French => "Madame, Monsieur",
        Language::Dutch => "Geachte heer, mevrouw",
        Language::Spanish => "Estimados señores",
        Language::Italian => "Gentili Signore e Signori",
        Language::Polish => "Szanowni Państwo",
    }
}

fn words(words: &[&str]) -> String {
    let said: Vec<&str> = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
    said.join(" ")
}
