import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { client } from './app/client'
import { makeRouter } from './app/router'
import { applyTheme } from './app/theme'
import { start } from './i18n'
import { takeSecret } from './pages/sign-in/secret'
import './styles.css'
import { Toasts } from './ui/toast'
import { TipProvider } from './ui/tooltip'

takeSecret()
applyTheme()
await start()

const router = makeRouter()
const root = document.getElementById('root')
if (!root) throw new Error('the page has no #root')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <TipProvider>
        <RouterProvider router={router} />
        <Toasts />
      </TipProvider>
    </QueryClientProvider>
  </StrictMode>,
)
