import { QueryClient } from '@tanstack/react-query'
import { retry } from '../api/queries'

export const client = new QueryClient({
  defaultOptions: { queries: { retry, refetchOnWindowFocus: true }, mutations: { retry: false } },
})
