//! What people write, in their languages.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// A language with its texts and the charsets that its mail comes in.
#[derive(Debug, PartialEq)]
pub(super) struct Language {
    pub(super) tag: &'static str,
    /// Labels of charsets, the usual ones several times.
    charsets: &'static [&'static str],
    /// Hours east of Greenwich in which its people live.
    pub(super) hours_east: i8,
    pub(super) reply: &'static str,
    pub(super) forward: &'static str,
    greeting: &'static str,
    closing: &'static str,
    subjects: &'static [&'static str],
    sentences: &'static [&'static str],
}

impl Language {
    /// The language of that tag; English when there is none.
    pub(super) fn of(tag: &str) -> &'static Self {
        LANGUAGES.iter().find(|language| language.tag == tag).unwrap_or(&LANGUAGES[0])
    }

    pub(super) fn charset(&self, rng: &mut ChaCha8Rng) -> &'static str {
        self.charsets.choose(rng).copied().unwrap_or("utf-8")
    }

    /// A subject with a number, so that few are alike.
    pub(super) fn subject(&self, rng: &mut ChaCha8Rng) -> String {
        let subject = self.subjects.choose(rng).copied().unwrap_or_default();
        subject.replace("{}", &rng.random_range(100..9999).to_string())
    }

    /// A letter of one to four paragraphs, lines ending in LF.
    pub(super) fn letter(&self, to: &str, from: &str, rng: &mut ChaCha8Rng) -> String {
        let mut text = format!("{} {to},\n\n", self.greeting);
        for _ in 0..rng.random_range(1..=4) {
            text.push_str(&self.paragraph(rng));
            text.push_str("\n\n");
        }
        text.push_str(self.closing);
        text.push('\n');
        text.push_str(from);
        text.push('\n');
        text
    }

    pub(super) fn paragraph(&self, rng: &mut ChaCha8Rng) -> String {
        let mut sentences = Vec::new();
        for _ in 0..rng.random_range(1..=5) {
            let sentence = self.sentences.choose(rng).copied().unwrap_or_default();
            sentences.push(sentence.replace("{}", &rng.random_range(2..5000).to_string()));
        }
        sentences.join(" ")
    }
}

/// The languages of the company; the first is that of its newsletters and reports.
pub(super) const LANGUAGES: [Language; 8] = [
    Language {
        tag: "en-GB",
        charsets: &["utf-8", "us-ascii", "iso-8859-1", "utf-8"],
        hours_east: 0,
        reply: "Re",
        forward: "Fwd",
        greeting: "Dear",
        closing: "Kind regards",
        subjects: &[
            "Budget draft {}",
            "Minutes of the site meeting no. {}",
            "Invoice {} is overdue",
            "Question about order {}",
            "Holiday plan, week {}",
            "Offer {}: revised terms",
            "Drawing {} needs a second look",
        ],
        sentences: &[
            "Please find the figures for the quarter attached.",
            "We still owe the customer an answer to ticket {}.",
            "Could you check the numbers on page {} before Thursday?",
            "The supplier promised to deliver {} pieces by the end of the month.",
            "I have moved the meeting to the small room on the second floor.",
            "The test bench is free again from tomorrow morning.",
            "Nobody has signed the contract yet, so let us wait.",
            "From the second paragraph on everything reads well.",
            "The price went up by £{} since the last offer.",
            "Let me know if you need anything else.",
        ],
    },
    Language {
        tag: "de-DE",
        charsets: &["iso-8859-1", "windows-1252", "utf-8", "utf-8", "iso-8859-15"],
        hours_east: 1,
        reply: "AW",
        forward: "WG",
        greeting: "Guten Tag",
        closing: "Mit freundlichen Grüßen",
        subjects: &[
            "Rückfrage zur Rechnung {}",
            "Terminverschiebung Prüfstand {}",
            "Änderungsantrag {}",
            "Angebot Nr. {} für Gehäuse",
            "Urlaubsübergabe KW {}",
            "Größere Störung in Halle {}",
        ],
        sentences: &[
            "anbei erhalten Sie die überarbeitete Fassung.",
            "Die Maße auf Blatt {} stimmen noch nicht überein.",
            "Können wir das am Dienstag kurz besprechen?",
            "Die Lieferung von {} Stück verzögert sich um eine Woche.",
            "Bitte prüfen Sie die Beträge für das dritte Quartal.",
            "Für die Abnahme fehlt uns noch eine Unterschrift.",
            "Der Kunde wünscht eine schriftliche Bestätigung.",
            "Das Übergabeprotokoll liegt im Büro aus.",
            "Ich bin ab Mittag wieder erreichbar.",
        ],
    },
    Language {
        tag: "fr-FR",
        charsets: &["iso-8859-1", "windows-1252", "utf-8", "utf-8"],
        hours_east: 1,
        reply: "RE",
        forward: "TR",
        greeting: "Bonjour",
        closing: "Bien cordialement",
        subjects: &[
            "Facture n° {} à vérifier",
            "Compte rendu de la réunion {}",
            "Devis {} : délais de livraison",
            "Congés d'été, équipe {}",
            "Problème d'étanchéité, lot {}",
        ],
        sentences: &[
            "Veuillez trouver ci-joint le document corrigé.",
            "Le fournisseur a confirmé {} unités pour février.",
            "Pourriez-vous me rappeler cet après-midi ?",
            "La réunion est déplacée à la salle du rez-de-chaussée.",
            "Il manque encore la signature du responsable qualité.",
            "Les écarts du chapitre {} ont été expliqués.",
            "Nous n'avons pas reçu de réponse du client.",
            "Merci de relire la dernière page avant l'envoi.",
        ],
    },
    Language {
        tag: "es-ES",
        charsets: &["iso-8859-1", "windows-1252", "utf-8"],
        hours_east: 1,
        reply: "RE",
        forward: "RV",
        greeting: "Buenos días",
        closing: "Un cordial saludo",
        subjects: &[
            "Presupuesto n.º {}",
            "Reunión de diseño, sesión {}",
            "Reclamación del pedido {}",
            "Año fiscal: cierre {}",
        ],
        sentences: &[
            "Adjunto la versión corregida del informe.",
            "¿Podéis revisar la página {} antes del jueves?",
            "El envío de {} piezas llegará la próxima semana.",
            "Aún falta la aprobación del departamento jurídico.",
            "La sala pequeña está reservada todo el día.",
            "El cliente pregunta por el plazo de entrega.",
            "Mañana lo vemos con más calma.",
        ],
    },
    Language {
        tag: "pl-PL",
        charsets: &["iso-8859-2", "windows-1250", "utf-8", "utf-8"],
        hours_east: 1,
        reply: "Odp",
        forward: "PD",
        greeting: "Dzień dobry",
        closing: "Z poważaniem",
        subjects: &[
            "Zamówienie nr {} - zmiana terminu",
            "Protokół ze spotkania {}",
            "Faktura {} do zapłaty",
            "Zgłoszenie usterki {}",
        ],
        sentences: &[
            "W załączeniu przesyłam poprawioną wersję.",
            "Proszę o sprawdzenie pozycji {} w zestawieniu.",
            "Dostawa {} sztuk opóźni się o tydzień.",
            "Czy możemy to omówić w środę?",
            "Brakuje jeszcze podpisu działu księgowości.",
            "Klient prosi o pisemne potwierdzenie.",
        ],
    },
    Language {
        tag: "cs-CZ",
        charsets: &["iso-8859-2", "windows-1250", "utf-8"],
        hours_east: 1,
        reply: "Re",
        forward: "Fwd",
        greeting: "Dobrý den",
        closing: "S přátelským pozdravem",
        subjects: &[
            "Objednávka č. {}",
            "Zápis z porady {}",
            "Příloha ke smlouvě {}",
            "Výpadek zařízení v hale {}",
        ],
        sentences: &[
            "V příloze posílám opravenou verzi.",
            "Můžete prosím zkontrolovat řádek {}?",
            "Dodávka {} kusů se zpozdí o týden.",
            "Ještě chybí podpis účetního oddělení.",
            "Zítra budu na telefonu až odpoledne.",
            "Zákazník žádá o písemné potvrzení.",
        ],
    },
    Language {
        tag: "ru-RU",
        charsets: &["koi8-r", "windows-1251", "utf-8", "koi8-r"],
        hours_east: 3,
        reply: "Re",
        forward: "Fwd",
        greeting: "Здравствуйте",
        closing: "С уважением",
        subjects: &[
            "Счёт {} на согласование",
            "Протокол совещания {}",
            "Перенос срока по заказу {}",
            "Вопрос по чертежу {}",
        ],
        sentences: &[
            "Во вложении исправленный вариант.",
            "Проверьте, пожалуйста, строку {} в таблице.",
            "Поставка {} штук задерживается на неделю.",
            "Договор пока никто не подписал.",
            "Завтра утром стенд снова свободен.",
            "Заказчик просит письменное подтверждение.",
        ],
    },
    Language {
        tag: "ja-JP",
        charsets: &["iso-2022-jp", "utf-8", "shift_jis", "iso-2022-jp"],
        hours_east: 9,
        reply: "Re",
        forward: "Fw",
        greeting: "お疲れ様です、",
        closing: "よろしくお願いいたします。",
        subjects: &[
            "見積書 {} の件",
            "会議議事録 第{}回",
            "納期変更のお知らせ {}",
            "図面 {} の確認",
        ],
        sentences: &[
            "修正版を添付いたします。",
            "{}ページの数字をご確認ください。",
            "部品{}個の納品が一週間遅れます。",
            "木曜日までにご返信いただけますか。",
            "契約書の署名がまだ届いておりません。",
            "会議室は二階の小会議室に変更になりました。",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charset_can_write_its_language() {
        for language in &LANGUAGES {
            for label in language.charsets {
                let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
                let texts = language.subjects.iter().chain(language.sentences);
                for text in texts.chain([&language.greeting, &language.closing]) {
                    let (_, _, is_lossy) = encoding.encode(text);
                    let may_fall_back = ["us-ascii", "iso-8859-1"].contains(label);
                    assert!(!is_lossy || may_fall_back, "{text:?} in {label}");
                }
            }
        }
    }
}
