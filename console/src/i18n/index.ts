import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import de from './de'
import en from './en'
import { pseudoAll } from './pseudo'

declare const __PSEUDO__: boolean

export const LANGUAGES = ['en', 'de'] as const
export type Language = (typeof LANGUAGES)[number]

const STORE = 'holdfast.language'

function chosen(): Language {
  const wishes = [localStorage.getItem(STORE), ...navigator.languages]
  for (const wish of wishes) {
    const found = LANGUAGES.find((language) => wish?.toLowerCase().startsWith(language))
    if (found) return found
  }
  return 'en'
}

export function choose(language: Language) {
  localStorage.setItem(STORE, language)
  void i18next.changeLanguage(language)
}

/** The language for dates and numbers: the browser's own variant of it, such as `en-GB`. */
export function locale(): string {
  const language = i18next.language
  return navigator.languages.find((tag) => tag.startsWith(language)) ?? language
}

export function start() {
  i18next.on('languageChanged', (language) => {
    document.documentElement.lang = language
  })
  return i18next.use(initReactI18next).init({
    lng: chosen(),
    fallbackLng: 'en',
    resources: {
      en: { translation: __PSEUDO__ ? pseudoAll(en) : en },
      de: { translation: de },
    },
    // React escapes what it shows.
    interpolation: { escapeValue: false },
  })
}
