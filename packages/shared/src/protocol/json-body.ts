// Bodies that are one JSON object: parsing them, and what more than one of them checks.

import { ProtocolError, type WireError } from '../errors.js'

/** Parses the JSON of a control frame. @throws ProtocolError when it is not a JSON object. */
export function parseObject(text: string, name: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError(`A ${name} is not JSON: ${(cause as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`A ${name} is not a JSON object`)
  }
  return value as Record<string, unknown>
}

/** @throws ProtocolError when it lacks its code or its message. */
export function parseWireError(text: string): WireError {
  const value = parseObject(text, 'error')
  if (typeof value['code'] !== 'string' || typeof value['message'] !== 'string') {
    throw new ProtocolError('An error lacks its code or its message')
  }
  return value as unknown as WireError
}

/** Whether it is a whole number from 0 to 2^53 - 1. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
