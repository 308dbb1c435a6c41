import { createHash, createSign, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, expectAccessible, picture, test, Weir } from './weir'

// A provider of OpenID Connect that takes everybody for one person. weir is in a network of its own, and does not reach the machine's loopback.
class Provider {
  email = 'ada@example.com'
  readonly dir = mkdtempSync(join(tmpdir(), 'weir-provider-'))
  readonly certificate = join(this.dir, 'cert.pem')
  private readonly host = Object.values(networkInterfaces()).flat().find((a) => a?.family === 'IPv4' && !a.internal)?.address ?? ''
  private readonly key = generateKeyPairSync('rsa', { modulusLength: 2048 })
  private sent = new URLSearchParams()
  private readonly server = createServer(this.vouch(), (request, response) => {
    const url = new URL(request.url ?? '', this.address)
    const answer = (what: unknown) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(what))
    if (url.pathname === '/.well-known/openid-configuration') {
      answer({
        issuer: this.address, authorization_endpoint: `${this.address}/authorize`, token_endpoint: `${this.address}/token`, jwks_uri: `${this.address}/keys`,
        id_token_signing_alg_values_supported: ['RS256'],
      })
    } else if (url.pathname === '/keys') answer({ keys: [{ ...this.key.publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: '1' }] })
    else if (url.pathname === '/authorize') {
      this.sent = url.searchParams
      response.writeHead(302, { Location: `${this.sent.get('redirect_uri')}?${new URLSearchParams({ code: 'the-code', state: this.sent.get('state') ?? '' })}` }).end()
    } else {
      let body = ''
      request.on('data', (part) => { body += String(part) }).on('end', () => {
        const proof = createHash('sha256').update(new URLSearchParams(body).get('code_verifier') ?? '').digest('base64url')
        if (proof !== this.sent.get('code_challenge')) response.writeHead(400).end('{"error":"invalid_grant"}')
        else answer({ access_token: 'x', token_type: 'Bearer', id_token: this.token() })
      })
    }
  })

  get address() { return `https://${this.host}:${(this.server.address() as AddressInfo).port}` }

  async start() { await once(this.server.listen(0, this.host), 'listening') }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
    rmSync(this.dir, { recursive: true })
  }

  private vouch() {
    const key = join(this.dir, 'key.pem')
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=provider', '-addext', `subjectAltName=IP:${this.host}`, '-keyout', key, '-out', this.certificate], { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(this.certificate) }
  }

  private token() {
    const now = Math.floor(Date.now() / 1000)
    const part = (what: unknown) => Buffer.from(JSON.stringify(what)).toString('base64url')
    const text = `${part({ alg: 'RS256', kid: '1' })}.${part({
      iss: this.address, aud: 'weir', sub: '1', nonce: this.sent.get('nonce'), iat: now, exp: now + 3600, email: this.email, groups: ['readers'],
    })}`
    return `${text}.${createSign('RSA-SHA256').update(text).sign(this.key.privateKey, 'base64url')}`
  }
}

test.use({ ignoreHTTPSErrors: true })

test('people sign in by what the settings name, and are told when they are not let in', async ({ page }) => {
  const provider = new Provider()
  await provider.start()
  const weir = new Weir()
  writeFileSync(join(weir.dir, 'weir.yaml'), `signIn:
  oidc: {issuer: "${provider.address}", clientID: weir, clientSecret: hush}
  github: {clientID: weir, clientSecret: hush, organizations: [example]}
  ldap: {url: "ldaps://ldap.example.com", users: {base: "ou=people,dc=example"}}
`)
  try {
    process.env['SSL_CERT_FILE'] = provider.certificate
    await weir.weir('up', '--detach')
    await weir.weir('kubectl', 'create', 'rolebinding', 'readers', '--clusterrole=view', '--group=readers', '-n', 'default')
    const origin = new URL(await weir.link()).origin
    const there = page.getByRole('link', { name: `Sign in at ${new URL(provider.address).hostname}` })
    await page.goto(`${origin}/jobs`)
    await expect(page.getByText('here, or at ldap.example.com')).toBeVisible()
    await expect(page.getByRole('link', { name: 'Sign in at GitHub' })).toHaveAttribute('href', '/sign-in/github')
    await expectAccessible(page)
    await picture(page, 'sign-in-ways')

    provider.email = 'system:admin'
    await there.click()
    await expect(page.getByRole('alert')).toContainText('the provider did not let you in')
    await expectAccessible(page)
    await picture(page, 'sign-in-refused')

    provider.email = 'ada@example.com'
    await there.click()
    await expect(page.getByRole('navigation', { name: 'Areas' })).toBeVisible()
    await page.getByRole('link', { name: 'Settings' }).click()
    await expect(page.getByText('ada@example.com').first()).toBeVisible()
    await expect(page.getByText('readers').first()).toBeVisible()
  } finally {
    delete process.env['SSL_CERT_FILE']
    await weir.weir('down')
    rmSync(weir.dir, { recursive: true, force: true })
    provider.stop()
  }
})

test('who comes by a used link signs in with a password, and is at home', async ({ weir, page }) => {
  await weir.told('correct horse battery', 'user', 'add', 'grace', '--role', 'view:default')
  const link = await weir.link('grace')
  await page.goto(link)
  await expect(page.getByRole('navigation', { name: 'Areas' })).toBeVisible()
  await page.context().clearCookies()
  await page.goto(link)
  await expect(page.getByRole('alert')).toContainText('weir link')
  await page.getByRole('textbox', { name: 'Name' }).fill('grace')
  await page.getByRole('textbox', { name: 'Password' }).fill('correct horse battery')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('heading', { name: 'Home' })).toBeVisible()
})
