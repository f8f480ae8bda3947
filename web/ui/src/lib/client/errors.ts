/** What the server or the way to it has refused: the server's own words, and the id under which its log has it. */
export class MsrError extends Error {
  override readonly name = 'MsrError';

  constructor(
    /** As the contract writes them, and `NETWORK_ERROR`, `ABORTED`, `CUT` (an answer that ended too early). */
    readonly code: string,
    message: string,
    readonly about: {
      readonly status?: number;
      readonly correlationId?: string;
      readonly details?: readonly Record<string, unknown>[];
      /** Seconds after which the server wants to be asked again. */
      readonly retryAfter?: number;
    } = {},
  ) {
    super(message);
  }

  get correlationId(): string | undefined {
    return this.about.correlationId;
  }

  /** Whether the same request may go well a little later. */
  get isRetryable(): boolean {
    const status = this.about.status ?? 0;
    return this.code === 'NETWORK_ERROR' || this.code === 'CUT' || status === 429 || status >= 500;
  }

  /** What to do instead, where there is something. */
  get action(): 'terminate_existing_session' | 'sign_in' | undefined {
    if (this.code === 'SESSION_LIMIT_REACHED') return 'terminate_existing_session';
    return this.about.status === 401 ? 'sign_in' : undefined;
  }

  /** The error of an answer that is none; the body may be anything. */
  static from(response: Response, body: unknown): MsrError {
    const sent = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
    const retryAfter = Number(response.headers.get('Retry-After') ?? NaN);
    return new MsrError(
      typeof sent['errorCode'] === 'string' ? sent['errorCode'] : `HTTP_${response.status}`,
      typeof sent['errorMessage'] === 'string' ? sent['errorMessage'] : `the server answered ${response.status}`,
      {
        status: response.status,
        correlationId: response.headers.get('X-Correlation-ID') ?? (sent['correlationId'] as string | undefined),
        details: sent['details'] as Record<string, unknown>[] | undefined,
        retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
      },
    );
  }

  /** Whatever was thrown, as one of these. */
  static of(error: unknown): MsrError {
    if (error instanceof MsrError) return error;
    if (error instanceof DOMException && error.name === 'AbortError')
      return new MsrError('ABORTED', 'it was cancelled');
    if (error instanceof TypeError) return new MsrError('NETWORK_ERROR', 'the server cannot be reached');
    return new MsrError('UNEXPECTED', error instanceof Error ? error.message : String(error));
  }

  /** It as plain data, for a message between threads. */
  toJSON(): SentError {
    return { code: this.code, message: this.message, about: this.about };
  }

  static fromJSON(sent: SentError): MsrError {
    return new MsrError(sent.code, sent.message, sent.about);
  }
}

export interface SentError {
  readonly code: string;
  readonly message: string;
  readonly about: MsrError['about'];
}
