// A download that goes as a test tells it: for what no real provider does on demand.
import type { Download, DownloadProgress, DownloadResult } from '../../../ts/blobs/index.js'

export class ScriptedDownload implements Download {
  readonly signal: AbortSignal
  readonly #cancel = new AbortController()
  readonly #events: DownloadProgress[] = []
  readonly #result: Promise<DownloadResult>
  #over = false
  #wake = () => {}

  constructor(work: (download: ScriptedDownload) => Promise<DownloadResult>, signal?: AbortSignal) {
    this.signal = signal ? AbortSignal.any([signal, this.#cancel.signal]) : this.#cancel.signal
    this.#result = this.#run(work)
    this.#result.catch(() => {})
  }

  async #run(work: (download: ScriptedDownload) => Promise<DownloadResult>): Promise<DownloadResult> {
    try {
      this.signal.throwIfAborted()
      const result = await work(this)
      this.say({ type: 'done', result })
      return result
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error
    } finally {
      this.#over = true
      this.#wake()
    }
  }

  say(event: DownloadProgress): void {
    this.#events.push(event)
    this.#wake()
  }

  cancel(): void {
    this.#cancel.abort(new Error('cancelled'))
  }

  // biome-ignore lint/suspicious/noThenProperty: a download is to be awaited
  then: Download['then'] = (fulfilled, rejected) => this.#result.then(fulfilled, rejected)

  async *[Symbol.asyncIterator](): AsyncGenerator<DownloadProgress> {
    for (;;) {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) yield event
      if (this.#over) break
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    await this.#result
  }
}
