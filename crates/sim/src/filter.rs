//! `$filter`: comparisons, `and`, `or`, `not`, `startswith`, `contains`, and `Any` over
//! single-value extended properties.

use jiff::Timestamp;

use crate::http::GraphError;
use crate::query::property_id;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 20;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// One of them.
    Or(Box<Filter>, Box<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A property against a literal.
    Compare(String, Operator, Literal),
    /// A property begins with a text.
    StartsWith(String, String),
    /// A property contains a text.
    Contains(String, String),
    /// There is an extended property with this canonical id and value.
    Extended(String, Operator, String),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

/// A value in a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// In quotes.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
    /// `null`.
    Null,
}

/// What a filter asks about.
pub trait Subject {
    /// The property at this path; names are compared without case. `None`: no such property.
    fn property(&self, path: &str) -> Option<Literal>;
    /// The extended property with this canonical id.
    fn extended(&self, id: &str) -> Option<String>;
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, GraphError> {
        let tokens = tokens(text).ok_or_else(|| invalid(text))?;
        let mut parser = Parser { tokens, place: 0, depth: 0 };
        match parser.or() {
            Some(Ok(filter)) if parser.place == parser.tokens.len() => Ok(filter),
            Some(Err(error)) => Err(error),
            _ => Err(invalid(text)),
        }
    }

    /// Whether it holds. Texts are compared without case, as Exchange does.
    pub fn holds(&self, subject: &dyn Subject) -> Result<bool, GraphError> {
        match self {
            Self::And(a, b) => Ok(a.holds(subject)? && b.holds(subject)?),
            Self::Or(a, b) => Ok(a.holds(subject)? || b.holds(subject)?),
            Self::Not(inner) => Ok(!inner.holds(subject)?),
            Self::Compare(path, operator, literal) => {
                Ok(compare(&property(subject, path)?, *operator, literal))
            }
            Self::StartsWith(path, start) => {
                Ok(lower(subject, path)?.starts_with(&start.to_lowercase()))
            }
            Self::Contains(path, part) => Ok(lower(subject, path)?.contains(&part.to_lowercase())),
            Self::Extended(id, operator, value) => {
                let held = subject.extended(id).map(Literal::Text);
                let value = Literal::Text(value.clone());
                Ok(held.is_some_and(|held| compare(&held, *operator, &value)))
            }
        }
    }
}

fn invalid(text: &str) -> GraphError {
    let message = format!("Invalid filter clause: '{text}'.");
    GraphError::new(400, "BadRequest", message)
}

fn property(subject: &dyn Subject, path: &str) -> Result<Literal, GraphError> {
    subject.property(path).ok_or_else(|| {
        let message = format!("Invalid filter clause: Could not find a property named '{path}'.");
        GraphError::new(400, "BadRequest", message)
    })
}

fn lower(subject: &dyn Subject, path: &str) -> Result<String, GraphError> {
    match property(subject, path)? {
        Literal::Text(text) => Ok(text.to_lowercase()),
        _ => Ok(String::new()),
    }
}

fn compare(held: &Literal, operator: Operator, wanted: &Literal) -> bool {
    use std::cmp::Ordering;
    let order = match (held, wanted) {
        (Literal::Text(a), Literal::Text(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        (Literal::Time(a), Literal::Time(b)) => Some(a.cmp(b)),
        (Literal::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Literal::Null, Literal::Null) => Some(Ordering::Equal),
        _ => None,
    };
    match operator {
        Operator::Eq => order == Some(Ordering::Equal),
        Operator::Ne => order != Some(Ordering::Equal),
        Operator::Gt => order == Some(Ordering::Greater),
        Operator::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Lt => order == Some(Ordering::Less),
        Operator::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Cuts a filter into words, quoted texts and signs.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => {}
            '(' | ')' | ',' => tokens.push(Token::Sign(letter)),
            '\'' => {
                let mut text = String::new();
                loop {
                    match letters.next()? {
                        '\'' if letters.peek() == Some(&'\'') => {
                            letters.next();
                            text.push('\'');
                        }
                        '\'' => break,
                        other => text.push(other),
                    }
                }
                tokens.push(Token::Text(text));
            }
            _ => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| !" \t(),'".contains(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    depth: usize,
}

/// `None` where the text is no filter.
type Parsed = Option<Result<Filter, GraphError>>;

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.place).cloned();
        self.place += 1;
        token
    }

    fn word_is(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.place),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.place += usize::from(found);
        found
    }

    fn sign(&mut self, wanted: char) -> Option<()> {
        (self.next()? == Token::Sign(wanted)).then_some(())
    }

    fn or(&mut self) -> Parsed {
        self.chain("or", Self::and, Filter::Or)
    }

    fn and(&mut self) -> Parsed {
        self.chain("and", Self::single, Filter::And)
    }

    fn chain(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Parsed,
        join: fn(Box<Filter>, Box<Filter>) -> Filter,
    ) -> Parsed {
        let mut left = match operand(self)? {
            Ok(left) => left,
            error => return Some(error),
        };
        while self.word_is(word) {
            match operand(self)? {
                Ok(right) => left = join(Box::new(left), Box::new(right)),
                error => return Some(error),
            }
        }
        Some(Ok(left))
    }

    fn single(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let filter = self.condition();
        self.depth -= 1;
        filter
    }

    fn condition(&mut self) -> Parsed {
        match self.next()? {
            Token::Sign('(') => {
                let inner = self.or()?;
                self.sign(')')?;
                Some(inner)
            }
            Token::Word(word) if word.eq_ignore_ascii_case("not") => {
                Some(self.single()?.map(|inner| Filter::Not(Box::new(inner))))
            }
            Token::Word(word) if word.eq_ignore_ascii_case("startswith") => {
                self.function(Filter::StartsWith)
            }
            Token::Word(word) if word.eq_ignore_ascii_case("contains") => {
                self.function(Filter::Contains)
            }
            Token::Word(word) if word.eq_ignore_ascii_case("singleValueExtendedProperties/any") => {
                self.any()
            }
            Token::Word(path) => {
                let operator = self.operator()?;
                let literal = self.literal()?;
                Some(Ok(Filter::Compare(path, operator, literal)))
            }
            _ => None,
        }
    }

    fn function(&mut self, make: fn(String, String) -> Filter) -> Parsed {
        self.sign('(')?;
        let Token::Word(path) = self.next()? else { return None };
        self.sign(',')?;
        let Token::Text(text) = self.next()? else { return None };
        self.sign(')')?;
        Some(Ok(make(path, text)))
    }

    /// `(ep: ep/id eq '…' and ep/value eq '…')`
    fn any(&mut self) -> Parsed {
        self.sign('(')?;
        let Token::Word(variable) = self.next()? else { return None };
        let variable = match variable.split_once(':') {
            Some((name, "")) => name.to_owned(),
            Some((name, rest)) => {
                // `ep:ep/id` without a blank is one word: put the rest back.
                self.place -= 1;
                self.tokens[self.place] = Token::Word(rest.to_owned());
                name.to_owned()
            }
            None => return None,
        };
        let (mut id, mut value) = (None, None);
        loop {
            let Token::Word(path) = self.next()? else { return None };
            let operator = self.operator()?;
            let Token::Text(text) = self.next()? else { return None };
            let member = path.strip_prefix(&variable)?.strip_prefix('/')?.to_ascii_lowercase();
            match member.as_str() {
                "id" if operator == Operator::Eq => id = Some(text),
                "value" => value = Some((operator, text)),
                _ => return None,
            }
            if !self.word_is("and") {
                break;
            }
        }
        self.sign(')')?;
        let (operator, value) = value?;
        Some(property_id(&id?).map(|id| Filter::Extended(id, operator, value)))
    }

    fn operator(&mut self) -> Option<Operator> {
        let Token::Word(word) = self.next()? else { return None };
        match word.to_ascii_lowercase().as_str() {
            "eq" => Some(Operator::Eq),
            "ne" => Some(Operator::Ne),
            "gt" => Some(Operator::Gt),
            "ge" => Some(Operator::Ge),
            "lt" => Some(Operator::Lt),
            "le" => Some(Operator::Le),
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<Literal> {
        match self.next()? {
            Token::Text(text) => Some(Literal::Text(text)),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" => Some(Literal::Bool(true)),
                "false" => Some(Literal::Bool(false)),
                "null" => Some(Literal::Null),
                _ => read_time(&word).map(Literal::Time),
            },
            Token::Sign(_) => None,
        }
    }
}

/// A time, or a date that stands for its midnight in UTC.
fn read_time(text: &str) -> Option<Timestamp> {
    let midnight = || format!("{text}T00:00:00Z").parse().ok();
    text.parse().ok().or_else(midnight)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Mail;

    impl Subject for Mail {
        fn property(&self, path: &str) -> Option<Literal> {
            match path {
                "isRead" => Some(Literal::Bool(true)),
                "subject" => Some(Literal::Text("O'Brien (again)".to_owned())),
                "receivedDateTime" => Some(Literal::Time("2026-03-01T10:00:00Z".parse().ok()?)),
                _ => None,
            }
        }

        fn extended(&self, id: &str) -> Option<String> {
            let own = "String {00020386-0000-0000-c000-000000000046} Name restore";
            (id == own).then(|| "r1/AAkA=".to_owned())
        }
    }

    fn holds(text: &str) -> Option<bool> {
        Filter::parse(text).and_then(|filter| filter.holds(&Mail)).ok()
    }

    #[test]
    fn conditions_are_read_and_decided() {
        let own = "String {00020386-0000-0000-C000-000000000046} Name restore";
        let any = |value: &str| {
            format!(
                "singleValueExtendedProperties/Any(ep: ep/id eq '{own}' and ep/value eq '{value}')"
            )
        };
        let table = [
            ("isRead eq true".to_owned(), Some(true)),
            ("isRead ne true or subject eq 'o''brien (AGAIN)'".to_owned(), Some(true)),
            ("not (isRead eq true)".to_owned(), Some(false)),
            ("receivedDateTime ge 2026-03-01T10:00:00Z".to_owned(), Some(true)),
            ("receivedDateTime gt 2026-03-01T10:00:00Z".to_owned(), Some(false)),
            ("receivedDateTime lt 2026-03-02 and isRead eq true".to_owned(), Some(true)),
            ("startswith(subject,'o''b')".to_owned(), Some(true)),
            ("contains(subject, 'nothing')".to_owned(), Some(false)),
            (any("r1/AAkA="), Some(true)),
            (any("r2"), Some(false)),
            (any("r1/AAkA=").replace("ep: ", "ep:"), Some(true)),
            ("colour eq 'red'".to_owned(), None),
            ("isRead eq".to_owned(), None),
            ("isRead eq true)".to_owned(), None),
            ("subject eq 'open".to_owned(), None),
            ("(".repeat(200), None),
        ];
        for (text, expected) in table {
            assert_eq!(holds(&text), expected, "{text}");
        }
    }
}
