import { useSession } from '../frame/session'
import { Card, Facts, Page } from '../house/Page'
import { moment } from '../house/say'
import { secrets } from '../live/resource'
import { useRights } from '../live/rights'
import { Password } from './Password'
import { Roles } from './Roles'
import { Tokens } from './Tokens'
import { Users } from './Users'
import s from './settings.module.css'

/** SettingsPage is who one is, and how programs come in as oneself. */
export function SettingsPage() {
  const { data: session } = useSession()
  return (
    <Page title="Settings" command="weir token list">
      <div className={s.page}>
        <Card title="You">
          <Facts of={[
            ['Name', session?.user],
            ['Groups', session?.groups?.join(', ')],
            ['Signed in by', session?.via],
            ['Until', session?.expires && moment(session.expires)],
          ]} />
          {session?.password !== undefined && <Password has={session.password} />}
        </Card>
        <Tokens />
        {useRights('weir-system')('list', secrets) && <Users />}
        <Roles />
      </div>
    </Page>
  )
}
