import { MsrError } from '../client/errors';

export { MsrError };

export interface ErrorOptions {
  /** Whether a person is told. */
  readonly showToast?: boolean;
  readonly logError?: boolean;
  readonly throwError?: boolean;
}

export interface ErrorHandling {
  /** Called with every error; shows it as the application shows errors (a toast, for instance). */
  readonly onError?: (error: MsrError, context: string, options: Required<ErrorOptions>) => void;
  readonly defaultOptions?: ErrorOptions;
}

const USUAL: Required<ErrorOptions> = { showToast: true, logError: true, throwError: false };
let handling: ErrorHandling = {};

/** Say once how errors are handled; a call may still ask for something else. */
export function configureMsrErrorHandling(given: ErrorHandling = {}): void {
  handling = given;
}

/** Handle whatever was thrown as the application wants it; what it was, as an `MsrError`. */
export function handleMsrError(thrown: unknown, context: string, options: ErrorOptions = {}): MsrError {
  const error = MsrError.of(thrown);
  const all = { ...USUAL, ...handling.defaultOptions, ...options };
  if (all.logError) console.error(`[msr] ${context}: ${error.code}: ${error.message}`, error.correlationId ?? '');
  handling.onError?.(error, context, all);
  if (all.throwError) throw error;
  return error;
}
