import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';
import type { Colour } from './colours';
import type { PointRenderer } from './renderer';
import type { Points } from './view';

const VERTEX = `#version 300 es
in vec2 place; in float heading; in float group;
uniform mat4 matrix; uniform float size; uniform vec3 palette[13];
out vec3 colour; out vec2 ahead; flat out float headed;
void main() {
  gl_Position = matrix * vec4(place, 0.0, 1.0);
  gl_PointSize = size;
  colour = palette[int(group)];
  headed = heading < -360.0 ? 0.0 : 1.0;
  ahead = vec2(sin(radians(heading)), -cos(radians(heading)));
}`;

/** An arrow in the direction of its heading, or a disc; with an edge that sets it off from the land. */
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 colour; in vec2 ahead; flat in float headed;
uniform vec3 edge;
out vec4 pixel;
float arrow(vec2 p) {
  float along = dot(p, ahead);
  float aside = abs(dot(p, vec2(-ahead.y, ahead.x)));
  return max(aside - 0.36 * (0.95 - along), -0.45 - 0.6 * aside * 0.7 - along);
}
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float outside = headed > 0.5 ? arrow(p) : length(p) - 0.5;
  if (outside > 0.12) discard;
  pixel = vec4(outside > 0.0 ? edge : colour, 1.0);
}`;

const NO_HEADING = -1000;
const [OFFSETS, HEADINGS, GROUPS] = ['place', 'heading', 'group'] as const;

interface Drawing {
  readonly gl: WebGL2RenderingContext;
  readonly program: WebGLProgram;
  readonly vertices: WebGLVertexArrayObject;
  readonly buffers: Readonly<Record<string, WebGLBuffer>>;
}

/** A layer of the map itself: all entities in one call of the graphics card. */
export class GlRenderer implements PointRenderer, CustomLayerInterface {
  readonly kind = 'gl';
  readonly id = 'entities';
  readonly type = 'custom';
  readonly #map: MapLibre;
  #drawing: Drawing | null = null;
  #points: Points | null = null;
  #uploaded: Points | null = null;
  #origin: readonly [number, number] = [0, 0];
  #palette = new Float32Array(39);
  #edge = new Float32Array(3);

  constructor(map: MapLibre) {
    this.#map = map;
    map.addLayer(this);
    map.on('webglcontextrestored', this.#restore);
  }

  setPoints(points: Points): void {
    this.#points = points;
    this.#map.triggerRepaint();
  }

  setColours(colours: readonly Colour[], edge: Colour): void {
    this.#palette.set(colours.flat().map((part) => part / 255));
    this.#edge.set(edge.map((part) => part / 255));
    this.#map.triggerRepaint();
  }

  /** The map draws its layers itself. */
  moved(): void {
    this.#map.triggerRepaint();
  }

  close(): void {
    this.#map.off('webglcontextrestored', this.#restore);
    if (this.#map.getLayer(this.id)) this.#map.removeLayer(this.id);
  }

  /** A graphics card that was away comes back empty, and the map with it: layers like this one are not its own. */
  readonly #restore = (): void => {
    this.#map.once('style.load', () => this.#map.addLayer(this));
  };

  onAdd(_: MapLibre, context: WebGLRenderingContext | WebGL2RenderingContext): void {
    const gl = context as WebGL2RenderingContext;
    const program = link(gl);
    const vertices = gl.createVertexArray();
    gl.bindVertexArray(vertices);
    const buffers = {
      [OFFSETS]: attribute(gl, program, OFFSETS, 2),
      [HEADINGS]: attribute(gl, program, HEADINGS, 1),
      [GROUPS]: attribute(gl, program, GROUPS, 1),
    };
    gl.bindVertexArray(null);
    this.#drawing = { gl, program, vertices, buffers };
    this.#uploaded = null;
  }

  onRemove(): void {
    const drawing = this.#drawing;
    this.#drawing = null;
    if (!drawing) return;
    for (const buffer of Object.values(drawing.buffers)) drawing.gl.deleteBuffer(buffer);
    drawing.gl.deleteVertexArray(drawing.vertices);
    drawing.gl.deleteProgram(drawing.program);
  }

  render(_: WebGLRenderingContext | WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    const [drawing, points] = [this.#drawing, this.#points];
    if (!drawing || !points || points.x.length === 0) return;
    const { gl, program, vertices } = drawing;
    if (this.#uploaded !== points) this.#upload(drawing, points);
    gl.useProgram(program);
    gl.bindVertexArray(vertices);
    gl.uniformMatrix4fv(gl.getUniformLocation(program, 'matrix'), false, this.#matrix(input));
    gl.uniform3fv(gl.getUniformLocation(program, 'palette'), this.#palette);
    gl.uniform3fv(gl.getUniformLocation(program, 'edge'), this.#edge);
    gl.uniform1f(gl.getUniformLocation(program, 'size'), (points.x.length > 20_000 ? 11 : 18) * devicePixelRatio);
    gl.disable(gl.DEPTH_TEST);
    gl.drawArrays(gl.POINTS, 0, points.x.length);
    gl.bindVertexArray(null);
  }

  /** Offsets from one of the points keep the precision that a Float32 alone does not have. */
  #upload({ gl, buffers }: Drawing, points: Points): void {
    const count = points.x.length;
    const [x, y] = (this.#origin = [points.x[0]!, points.y[0]!]);
    const offsets = new Float32Array(2 * count);
    for (let i = 0; i < count; i++) {
      offsets[2 * i] = points.x[i]! - x;
      offsets[2 * i + 1] = points.y[i]! - y;
    }
    fill(gl, buffers[OFFSETS]!, offsets);
    fill(
      gl,
      buffers[HEADINGS]!,
      points.heading.map((one) => (Number.isNaN(one) ? NO_HEADING : one % 360)),
    );
    fill(gl, buffers[GROUPS]!, Float32Array.from(points.group));
    this.#uploaded = points;
  }

  #matrix(input: CustomRenderMethodInput): Float32Array {
    const given = input.defaultProjectionData.mainMatrix as ArrayLike<number>;
    const moved = Float32Array.from(given);
    const [x, y] = this.#origin;
    for (let row = 0; row < 4; row++) moved[12 + row] = given[row]! * x + given[4 + row]! * y + given[12 + row]!;
    return moved;
  }
}

function fill(gl: WebGL2RenderingContext, buffer: WebGLBuffer, values: Float32Array<ArrayBuffer>): void {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
}

function attribute(gl: WebGL2RenderingContext, program: WebGLProgram, name: string, size: number): WebGLBuffer {
  const buffer = gl.createBuffer();
  const location = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
  return buffer;
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? 'no shader');
  return program;
}
