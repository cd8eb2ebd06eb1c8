//! The people of the invented company.

use std::collections::HashSet;

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The domain of the company.
pub(super) const DOMAIN: &str = "contoso.example";

/// Somebody with a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// First and last name.
    pub display_name: String,
    /// First name.
    pub given_name: String,
    /// Last name.
    pub surname: String,
    /// `first.last@contoso.example`, ASCII, unique in the company; also the mail address.
    pub upn: String,
    /// The department.
    pub department: String,
    /// The title of the job.
    pub job_title: String,
    /// The language the person writes in, as Graph's `preferredLanguage`, for example `de-DE`.
    pub language: String,
}

/// Names of one language with their form in addresses.
struct Names {
    language: &'static str,
    given: &'static [(&'static str, &'static str)],
    surnames: &'static [(&'static str, &'static str)],
}

const NAMES: [Names; 8] = [
    Names {
        language: "en-GB",
        given: &[
            ("Abigail", "abigail"),
            ("Basil", "basil"),
            ("Clementine", "clementine"),
            ("Desmond", "desmond"),
            ("Siobhán", "siobhan"),
            ("Tobias", "tobias"),
        ],
        surnames: &[
            ("Ashdown", "ashdown"),
            ("O'Malley", "omalley"),
            ("Penhaligon", "penhaligon"),
            ("Quill-Marsh", "quill-marsh"),
            ("Thistlewood", "thistlewood"),
            ("Wetherby", "wetherby"),
        ],
    },
    Names {
        language: "de-DE",
        given: &[
            ("Jürgen", "juergen"),
            ("Käthe", "kaethe"),
            ("Lorenz", "lorenz"),
            ("Mechthild", "mechthild"),
            ("Sören", "soeren"),
            ("Ulrike", "ulrike"),
        ],
        surnames: &[
            ("Aßmann-Görtz", "assmann-goertz"),
            ("Dörrbecker", "doerrbecker"),
            ("Haselhuhn", "haselhuhn"),
            ("Krähwinkel", "kraehwinkel"),
            ("Steinbüchel", "steinbuechel"),
            ("von der Mühlen", "muehlen"),
        ],
    },
    Names {
        language: "fr-FR",
        given: &[
            ("Anaïs", "anais"),
            ("Benoît", "benoit"),
            ("Éloïse", "eloise"),
            ("François", "francois"),
            ("Hélène", "helene"),
            ("Thibault", "thibault"),
        ],
        surnames: &[
            ("Chastagnol", "chastagnol"),
            ("D'Aubrière", "daubriere"),
            ("Lefèvre-Morand", "lefevre-morand"),
            ("Pélissou", "pelissou"),
            ("Quénard", "quenard"),
            ("Villebois", "villebois"),
        ],
    },
    Names {
        language: "es-ES",
        given: &[
            ("Íñigo", "inigo"),
            ("Jimena", "jimena"),
            ("Lucía", "lucia"),
            ("Ramón", "ramon"),
            ("Begoña", "begona"),
        ],
        surnames: &[
            ("Arrizabalaga", "arrizabalaga"),
            ("Ibáñez Roldán", "ibanez"),
            ("Muñiz", "muniz"),
            ("Peñafiel", "penafiel"),
            ("Zumárraga", "zumarraga"),
        ],
    },
    Names {
        language: "pl-PL",
        given: &[
            ("Łukasz", "lukasz"),
            ("Małgorzata", "malgorzata"),
            ("Stanisław", "stanislaw"),
            ("Żaneta", "zaneta"),
        ],
        surnames: &[
            ("Brzęczyszczak", "brzeczyszczak"),
            ("Gąsiorek", "gasiorek"),
            ("Wiśniołek", "wisniolek"),
            ("Źródlak", "zrodlak"),
        ],
    },
    Names {
        language: "cs-CZ",
        given: &[
            ("Bedřich", "bedrich"),
            ("Jiřina", "jirina"),
            ("Ondřej", "ondrej"),
            ("Zdeňka", "zdenka"),
        ],
        surnames: &[
            ("Hřebíček", "hrebicek"),
            ("Mlýnková", "mlynkova"),
            ("Rybníčková", "rybnickova"),
            ("Švestka", "svestka"),
        ],
    },
    Names {
        language: "ru-RU",
        given: &[
            ("Аркадий", "arkady"),
            ("Глафира", "glafira"),
            ("Ефим", "yefim"),
            ("Зинаида", "zinaida"),
        ],
        surnames: &[
            ("Берёзкин-Луговой", "berezkin"),
            ("Заозёрный", "zaozerny"),
            ("Крапивина", "krapivina"),
            ("Тихомолов", "tikhomolov"),
        ],
    },
    Names {
        language: "ja-JP",
        given: &[("あおい", "aoi"), ("健太郎", "kentaro"), ("さくら", "sakura"), ("裕子", "yuko")],
        surnames: &[
            ("小鳥遊", "takanashi"),
            ("月見里", "yamanashi"),
            ("東雲", "shinonome"),
            ("八月朔日", "hozumi"),
        ],
    },
];

/// How many of ten people speak English.
const ENGLISH_OF_TEN: usize = 3;

const JOBS: [(&str, &[&str]); 7] = [
    ("Executive", &["Managing Director", "Assistant to the Board"]),
    ("Finance", &["Controller", "Accountant", "Treasurer"]),
    ("Sales", &["Account Manager", "Sales Representative", "Key Account Manager"]),
    ("Engineering", &["Design Engineer", "Test Engineer", "Draughtsman"]),
    ("Legal", &["Counsel", "Paralegal"]),
    ("Human Resources", &["Recruiter", "Payroll Clerk"]),
    ("IT", &["System Administrator", "Help Desk Agent"]),
];

/// The first `users` people of the company that belongs to `seed`.
///
/// A smaller company is the beginning of a larger one of the same seed.
pub fn company(users: usize, seed: u64) -> Vec<Person> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7065_6f70_6c65);
    let mut taken = HashSet::new();
    (0..users).map(|index| person(index, &mut rng, &mut taken)).collect()
}

fn person(index: usize, rng: &mut ChaCha8Rng, taken: &mut HashSet<String>) -> Person {
    let foreign = 1 + index % (NAMES.len() - 1);
    let names = if index % 10 < ENGLISH_OF_TEN { &NAMES[0] } else { &NAMES[foreign] };
    let pick = |list: &[(&'static str, &'static str)], rng: &mut ChaCha8Rng| {
        *list.choose(rng).expect("every language has names")
    };
    let (given_name, given_ascii) = pick(names.given, rng);
    let (surname, surname_ascii) = pick(names.surnames, rng);
    let (department, titles) = JOBS[if index == 0 { 0 } else { index % JOBS.len() }];
    let title = titles.choose(rng).expect("every department has jobs");
    let local = format!("{given_ascii}.{surname_ascii}");
    let number = (2..).map(|number| format!("{local}{number}"));
    let local = std::iter::once(local.clone())
        .chain(number)
        .find(|local| !taken.contains(local))
        .expect("numbers do not end");
    taken.insert(local.clone());
    Person {
        display_name: format!("{given_name} {surname}"),
        given_name: given_name.to_owned(),
        surname: surname.to_owned(),
        upn: format!("{local}@{DOMAIN}"),
        department: department.to_owned(),
        job_title: (*title).to_owned(),
        language: names.language.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_distinct_and_stable() {
        let people = company(500, 7);
        let addresses: HashSet<_> = people.iter().map(|person| &person.upn).collect();
        assert_eq!(addresses.len(), 500);
        assert!(people.iter().all(|person| person.upn.is_ascii()));
        assert_eq!(company(20, 7), people[..20]);
        assert_ne!(company(20, 8), people[..20]);
        let languages: HashSet<_> = people[..20].iter().map(|person| &person.language).collect();
        assert_eq!(languages.len(), NAMES.len());
    }
}
