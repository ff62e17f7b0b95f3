// An application behind the gate, as one is written for Node: it knows who calls from the session alone. Its first line of output
// is its port. KEY is the shared secret, ISSUER and AUDIENCE are what assertions must say, JWKS is where their keys are.
import { createDecipheriv, createHash, webcrypto } from 'node:crypto'
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'

globalThis.crypto ??= webcrypto // before Node 20
const { KEY, ISSUER, AUDIENCE, JWKS } = process.env
const keys = JWKS ? createRemoteJWKSet(new URL(JWKS), { cooldownDuration: 0 }) : null

async function fromJWT(req) {
  const [scheme, token] = (req.headers.authorization ?? '').split(' ')
  if (scheme.toLowerCase() !== 'bearer') throw new Error('no session')
  return (await jwtVerify(token, new TextEncoder().encode(KEY), { algorithms: ['HS256'] })).payload
}

function fromCookie(req) {
  const match = /(?:^|;\s*)sessionid="?([^";]+)"?/.exec(req.headers.cookie ?? '')
  if (!match) throw new Error('no session')
  const sealed = Buffer.from(match[1], 'base64')
  const salt = sealed.subarray(8, 16)
  let out = Buffer.alloc(0)
  let last = Buffer.alloc(0)
  while (out.length < 48) {
    last = createHash('md5').update(last).update(KEY, 'ascii').update(salt).digest()
    out = Buffer.concat([out, last])
  }
  const decipher = createDecipheriv('aes-256-cbc', out.subarray(0, 32), out.subarray(32, 48))
  return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]).toString('utf8'))
}

async function fromAssertion(req) {
  const token = req.headers['tollgate-assertion']
  if (!token) throw new Error('no assertion')
  return (await jwtVerify(token, keys, { algorithms: ['EdDSA'], issuer: ISSUER, audience: AUDIENCE })).payload
}

const readers = { jwt: fromJWT, cookie: fromCookie, assertion: fromAssertion }

createServer(async (req, res) => {
  const form = new URL(req.url, 'http://localhost').searchParams.get('form')
  try {
    const session = await readers[form](req)
    if (!session.username) throw new Error('nobody')
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify(session))
  } catch (err) {
    res.statusCode = 403
    res.end(String(err))
  }
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })
