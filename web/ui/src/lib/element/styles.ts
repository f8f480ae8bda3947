/** The styles of all parts: the build puts them here in one piece. A `<style>` in the element is what a strict policy forbids. */
export const STYLES = '@@msr-replay-styles@@';

/** A sheet for a shadow root: there `:root` is the element itself, and the themes follow the page's `data-theme`. */
export function sheet(css: string): string {
  return css
    .replace(/:root:not\(\[data-theme=(['"]?)light\1\]\)/g, ':host(:not([data-theme=light]))')
    .replace(/:root\[data-theme=(['"]?)dark\1\]/g, ':host([data-theme=dark])')
    .replace(/:root\b/g, ':host');
}
