import { CSPProvider } from '@base-ui/react/csp-provider'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { applyTheme } from './frame/theme'
import { noAnswer, problemOf } from './live/client'
import './house/tokens.css'
import './house/base.css'
import { readPages, router } from './routes'

applyTheme()

const queries = new QueryClient({
  defaultOptions: {
    // What is refused, or not there, is so a second later, too.
    queries: { staleTime: 5000, retry: (failures, error) => failures < 1 && ![403, 404].includes(problemOf(error).status), refetchOnWindowFocus: false, refetchInterval: (query) => (noAnswer(query.state.error) ? 3000 : false) },
  },
})

// Once there is something to see, so that pages open at once, and also while there is no connection.
window.addEventListener('load', () => setTimeout(readPages, 1500))

const place = document.getElementById('root')
if (place)
  createRoot(place).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  )
