//! The people of the invented company.

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

/// The first `users` people of the company that belongs to `seed`.
///
/// A smaller company is the beginning of a larger one of the same seed.
pub fn company(users: usize, seed: u64) -> Vec<Person> {
    (0..users).map(|index| person(index, seed)).collect()
}

fn person(index: usize, _seed: u64) -> Person {
    Person {
        display_name: format!("Person {index}"),
        given_name: "Person".to_owned(),
        surname: index.to_string(),
        upn: format!("person.{index}@contoso.example"),
        department: "Sales".to_owned(),
        job_title: "Clerk".to_owned(),
        language: "en-GB".to_owned(),
    }
}
