import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Link,
  Outlet,
  retainSearchParams,
} from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { onSignedOut } from '../api/request'
import { Account } from '../pages/account/account'
import { Audit } from '../pages/audit/audit'
import { Home } from '../pages/home/home'
import { JobPage } from '../pages/jobs/detail'
import { Jobs } from '../pages/jobs/list'
import { Resources } from '../pages/resources/list'
import { ResourcePage } from '../pages/resources/resource'
import { Schedules } from '../pages/schedules/schedules'
import { SearchPage } from '../pages/search/search'
import { LinkPage } from '../pages/sign-in/link'
import { SignIn } from '../pages/sign-in/sign-in'
import { System } from '../pages/system/system'
import { Users } from '../pages/users/users'
import { Vaults } from '../pages/vaults/vaults'
import { EmptyState, ErrorState } from '../ui/states'
import * as search from './search'
import { Shell } from './shell'

function NotFound() {
  const { t } = useTranslation()
  return (
    <EmptyState
      title={t('notFound.title')}
      text={t('notFound.text')}
      action={
        <Link to="/" className="text-accent underline">
          {t('nav.home')}
        </Link>
      }
    />
  )
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <div className="p-8">
      <ErrorState error={error} onRetry={reset} />
    </div>
  )
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound })

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  validateSearch: search.shellSearch,
  // The chosen tenant stays while one goes from page to page.
  search: { middlewares: [retainSearchParams(['tenant'])] },
})

const page = () => shell

const tree = root.addChildren([
  createRoute({
    getParentRoute: () => root,
    path: '/sign-in',
    component: SignIn,
    validateSearch: search.signInSearch,
  }),
  createRoute({ getParentRoute: () => root, path: '/setup', component: () => <LinkPage first /> }),
  createRoute({
    getParentRoute: () => root,
    path: '/invitation',
    component: () => <LinkPage first={false} />,
  }),
  shell.addChildren([
    createRoute({ getParentRoute: page, path: '/', component: Home }),
    createRoute({
      getParentRoute: page,
      path: '/resources',
      component: Resources,
      validateSearch: search.resourcesSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/resources/$owner/$workload/$key',
      component: ResourcePage,
      validateSearch: search.resourceSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/search',
      component: SearchPage,
      validateSearch: search.findSearch,
    }),
    createRoute({ getParentRoute: page, path: '/jobs', component: Jobs, validateSearch: search.jobsSearch }),
    createRoute({ getParentRoute: page, path: '/jobs/$id', component: JobPage }),
    createRoute({ getParentRoute: page, path: '/schedules', component: Schedules }),
    createRoute({ getParentRoute: page, path: '/vaults', component: Vaults }),
    createRoute({ getParentRoute: page, path: '/users', component: Users }),
    createRoute({
      getParentRoute: page,
      path: '/audit',
      component: Audit,
      validateSearch: search.auditSearch,
    }),
    createRoute({ getParentRoute: page, path: '/system', component: System }),
    createRoute({ getParentRoute: page, path: '/account', component: Account }),
  ]),
])

/** Made when the page starts, not before: it reads the address. */
export function makeRouter() {
  const router = createRouter({
    routeTree: tree,
    parseSearch: search.parseSearch,
    stringifySearch: search.stringifySearch,
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: NotFound,
  })
  onSignedOut(() => {
    const { pathname, href } = router.state.location
    if (pathname !== '/sign-in') void router.navigate({ to: '/sign-in', search: { to: href } })
  })
  return router
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
