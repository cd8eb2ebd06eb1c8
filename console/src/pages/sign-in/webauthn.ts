// Between WebAuthn's bytes and the API's base64url.

type Json = Record<string, unknown>

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0))
}

export function toBase64url(bytes: ArrayBuffer): string {
  const binary = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('')
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

function descriptors(list: unknown): PublicKeyCredentialDescriptor[] {
  if (!Array.isArray(list)) return []
  return list.map((each) => ({ ...each, id: fromBase64url(each.id) }))
}

/** What the API asks a browser: a handle, and the options of `navigator.credentials`. */
export interface Question {
  handle: string
  options: { publicKey: Json }
}

/** Makes a passkey. */
export async function create({ options }: Question): Promise<Json> {
  const key = options.publicKey as Json & { user: { id: string }; challenge: string }
  const publicKey = {
    ...key,
    challenge: fromBase64url(key.challenge),
    user: { ...key.user, id: fromBase64url(key.user.id) },
    excludeCredentials: descriptors(key.excludeCredentials),
  } as unknown as PublicKeyCredentialCreationOptions
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential
  const response = made.response as AuthenticatorAttestationResponse
  return {
    id: made.id,
    rawId: toBase64url(made.rawId),
    type: made.type,
    extensions: made.getClientExtensionResults(),
    response: {
      attestationObject: toBase64url(response.attestationObject),
      clientDataJSON: toBase64url(response.clientDataJSON),
      transports: response.getTransports(),
    },
  }
}

/** Shows a passkey. */
export async function get({ options }: Question): Promise<Json> {
  const key = options.publicKey as Json & { challenge: string }
  const publicKey = {
    ...key,
    challenge: fromBase64url(key.challenge),
    allowCredentials: descriptors(key.allowCredentials),
  } as unknown as PublicKeyCredentialRequestOptions
  const shown = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential
  const response = shown.response as AuthenticatorAssertionResponse
  return {
    id: shown.id,
    rawId: toBase64url(shown.rawId),
    type: shown.type,
    extensions: shown.getClientExtensionResults(),
    response: {
      authenticatorData: toBase64url(response.authenticatorData),
      clientDataJSON: toBase64url(response.clientDataJSON),
      signature: toBase64url(response.signature),
      userHandle: response.userHandle ? toBase64url(response.userHandle) : null,
    },
  }
}
